"""Request-reply, once: replies kept in the transaction of their effect; a repeat gets the first."""

from typing import Protocol, TypeVar

W_co = TypeVar("W_co", covariant=True)


class RequestEntry(Protocol[W_co]):
    """One request inside an open transaction; who repeats it meanwhile waits for the end of it."""

    @property
    def work(self) -> W_co:
        """What the handler does its work with: a unit of work, a connection."""
        ...

    @property
    def is_answered(self) -> bool:
        """Whether this request was carried out before; `reply` is what was answered then."""
        ...

    @property
    def reply(self) -> bytes | None:
        """The bytes of the first reply."""
        ...

    async def finish(self, reply: bytes | None) -> None:
        """Store the reply and commit both. Raises what a failed commit raises."""
        ...

    async def abandon(self) -> None:
        """Roll back: nothing has happened. Never raises; after finish() it does nothing."""
        ...


class RequestLedger(Protocol[W_co]):
    """Remembers replies for a day."""

    async def begin(self, request_id: str) -> RequestEntry[W_co]:
        """Open a transaction for a request."""
        ...


class AlreadyAnsweredError(Exception):
    """Not an error: this request was carried out before, and this was its reply. Leave it alone."""

    def __init__(self, reply: bytes | None) -> None:
        super().__init__("answered before")
        self.reply = reply
