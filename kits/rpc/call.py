"""Request-reply, call: what a handler may know of its request, and how it does its work only once."""

from hashlib import blake2b
from types import TracebackType
from typing import Any

from kits.rpc.deadlines import WallClock
from kits.rpc.errors import HandlerError
from kits.rpc.ledger import AlreadyAnsweredError, RequestEntry, RequestLedger


class Call:
    """One request on its way through a handler."""

    def __init__(
        self,
        *,
        topic: str,
        key: bytes | None,
        identity: tuple[str, bytes | None],
        expires_at: float,
        clock: WallClock,
        ledger: RequestLedger[Any] | None,
        is_stream: bool,
    ) -> None:
        """Args: identity: what makes it the same request as another: its name and its bytes."""
        self.topic = topic
        self.key = key
        self._identity = identity
        self.expires_at = expires_at
        """In seconds since 1970."""
        self._clock = clock
        self._ledger = ledger
        self._is_stream = is_stream
        self._entry: RequestEntry[Any] | None = None

    @property
    def request_id(self) -> str:
        """The same for the same request, also when it comes again; visible ASCII, at most 300 characters."""
        name, value = self._identity
        told = blake2b(name.encode(), digest_size=16, person=b"rpc request")
        told.update(b"\0")
        told.update(value or b"")
        return f"{self.topic}:{told.hexdigest()}"

    @property
    def remaining_seconds(self) -> float:
        """For how long its caller still waits."""
        return self.expires_at - self._clock.now()

    def once(self) -> "Once":
        """`async with call.once() as work:` does its work in one transaction with the reply.

        The transaction commits after the handler has returned, together with what it returned. The same
        request again gets that reply, and the block does not run. An error rolls back, and nothing is kept.
        """
        if self._is_stream:
            raise HandlerError(f"{self.topic} answers with a stream: once() has one reply to keep.")
        if self._ledger is None:
            raise HandlerError(f"{self.topic} wants once(): give its RpcServer a request ledger.")
        return Once(self, self._ledger)

    async def settle(self, reply: bytes | None) -> None:
        """Commit what once() began, with this reply."""
        if self._entry is not None:
            await self._entry.finish(reply)

    async def abandon(self) -> None:
        """Roll back what was not committed."""
        if self._entry is not None:
            entry, self._entry = self._entry, None
            await entry.abandon()

    async def enter(self, ledger: RequestLedger[Any]) -> Any:
        """Begin the transaction of once(). Raises: AlreadyAnsweredError: nothing is to be done."""
        if self._entry is not None:
            raise HandlerError(f"{self.topic} uses once() twice: one transaction has one reply.")
        self._entry = await ledger.begin(self.request_id)
        if self._entry.is_answered:
            raise AlreadyAnsweredError(self._entry.reply)
        return self._entry.work


class Once:
    """The block of Call.once()."""

    def __init__(self, call: Call, ledger: RequestLedger[Any]) -> None:
        self._call = call
        self._ledger = ledger

    async def __aenter__(self) -> Any:
        return await self._call.enter(self._ledger)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            await self._call.abandon()
