"""Errors: why a request is answered by what is wrong with it, or with the service that it needs."""

from collections.abc import Mapping, Sequence

from conduit.contracts.refusals import BLANK
from kits.rpc.errors import RpcError

UNPROCESSABLE = 422
UNAUTHORIZED = 401
_AWAY = 503
_RETRY_SECONDS = 1
_SERVER_ERROR = 500


class RefusedError(Exception):
    """What is wrong, by field; the words are RealWorld's and may be shown to anybody."""

    def __init__(self, status: int, errors: Mapping[str, Sequence[str]], *, code: str) -> None:
        self.status = status
        self.errors = {field: list(words) for field, words in errors.items()}
        self.code = code
        super().__init__("; ".join(f"{field} {', '.join(words)}" for field, words in self.errors.items()))


class ServiceAwayError(RefusedError):
    """A service does not answer, or cannot work now; the others do."""

    retry_seconds = _RETRY_SECONDS

    def __init__(self, service: str, sentence: str) -> None:
        self.service = service
        super().__init__(_AWAY, {service: [sentence]}, code="service_unavailable")


def refused(service: str, error: RpcError) -> RefusedError:
    """What a service's own refusal means for whoever asked the gateway."""
    if error.status == _AWAY:
        # A service that needs another one names it.
        return ServiceAwayError(error.path or service, error.detail)
    if error.status >= _SERVER_ERROR:
        return ServiceAwayError(service, f"{service} failed.")
    # A path of the wire ($.title): the service has rules that the gateway does not know.
    field = error.path.rpartition(".")[2].strip("$") or service
    if error.path.startswith("$"):
        return RefusedError(error.status, {field: ["is invalid"]}, code=error.code)
    return RefusedError(error.status, {field: [error.detail]}, code=error.code)


def missing_token() -> RefusedError:
    """401: this needs somebody."""
    return RefusedError(UNAUTHORIZED, {"token": ["is missing"]}, code="unauthenticated")


def invalid_token() -> RefusedError:
    """401: the token is good, and its user is no more."""
    return RefusedError(UNAUTHORIZED, {"token": ["is invalid"]}, code="invalid_token")


def invalid(errors: Mapping[str, Sequence[str]]) -> RefusedError:
    """422: all that is wrong with what was sent."""
    return RefusedError(UNPROCESSABLE, errors, code="invalid_request")


def blank(field: str) -> RefusedError:
    """422: it is needed."""
    return invalid({field: [BLANK]})
