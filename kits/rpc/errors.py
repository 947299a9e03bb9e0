"""Request-reply, errors: what a handler answers instead of a reply, and what a caller has to expect."""

from http import HTTPStatus


class RpcError(Exception):
    """A refusal that travels: raised by a handler, raised again at the caller.

    Attributes:
        status: a number as HTTP has it (404, 409, 422 …); 500 for a service's own fault.
        code: stable, for programs.
        detail: a sentence for people; nothing of a service's inside.
        path: where in the request the fault lies (`$.title`), or "".
    """

    def __init__(self, status: int, code: str, detail: str, path: str = "") -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.path = path


class RpcTimeoutError(RpcError):
    """The request stands in Kafka, and no reply came in time. Whether it was carried out is not known."""

    def __init__(self, topic: str, seconds: float) -> None:
        detail = f"No reply to {topic} within {seconds:.3g} s: look whether its service runs."
        super().__init__(HTTPStatus.GATEWAY_TIMEOUT, "rpc_timeout", detail)


class RpcUnavailableError(RpcError):
    """Kafka did not take the request in time: it was not carried out, or that is not known."""

    def __init__(self, topic: str, reason: str) -> None:
        detail = f"The request {topic} was not sent: {reason}."
        super().__init__(HTTPStatus.SERVICE_UNAVAILABLE, "rpc_unavailable", detail)


class RpcOverloadedError(RpcError):
    """Too much is under way in this process: nothing was sent. Try again in a moment."""

    def __init__(self, topic: str, reason: str) -> None:
        detail = f"The request {topic} was not sent: {reason}; try again in a moment."
        super().__init__(HTTPStatus.SERVICE_UNAVAILABLE, "rpc_overloaded", detail)


class HandlerError(Exception):
    """A handler that cannot be served as it is written; raised before anything starts, in one sentence."""
