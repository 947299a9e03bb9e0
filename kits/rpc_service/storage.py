"""RPC service, storage: what the caller is told of a database that cannot do the work."""

from collections.abc import Iterator
from contextlib import contextmanager

from kits.postgres.driver import DriverConnection
from kits.postgres.errors import Fault, fault_of
from kits.postgres.outages import warn_once
from kits.postgres.request_ledger import SqlRequestEntry, SqlRequestLedger
from kits.rpc.errors import RpcError


@contextmanager
def storage_refusals() -> Iterator[None]:
    """Raises RpcError for what comes out of the database; any other error passes as it is.

    503 `storage_unavailable`: after a lost COMMIT it is unknown whether the work was done; the same request
    again is safe inside of once(). 503 `storage_busy`, 422 `storage_refused`: nothing was stored.
    """
    try:
        yield
    except RpcError:
        raise
    except Exception as error:
        refusal = _refusal(fault_of(error))
        if refusal is None:
            raise
        warn_once(error)
        raise refusal from error


def _refusal(fault: Fault) -> RpcError | None:
    match fault:
        case Fault.BUG:
            return None
        case Fault.DEFINITE:
            return RpcError(422, "storage_refused", "The database refuses a value of it: nothing was stored.")
        case Fault.RUN_AGAIN | Fault.BUSY | Fault.OVERLOADED:
            return RpcError(503, "storage_busy", "The database is busy: nothing was stored; ask again.")
        case _:
            return RpcError(503, "storage_unavailable", "The database cannot be used now: ask again.")


class RefusingEntry:
    """kits.rpc.ledger.RequestEntry whose commit refuses in the same words."""

    def __init__(self, entry: SqlRequestEntry) -> None:
        self._entry = entry

    @property
    def work(self) -> DriverConnection:
        """See RequestEntry."""
        return self._entry.work

    @property
    def is_answered(self) -> bool:
        """See RequestEntry."""
        return self._entry.is_answered

    @property
    def reply(self) -> bytes | None:
        """See RequestEntry."""
        return self._entry.reply

    async def finish(self, reply: bytes | None) -> None:
        """See RequestEntry. Raises: RpcError."""
        with storage_refusals():
            await self._entry.finish(reply)

    async def abandon(self) -> None:
        """See RequestEntry."""
        await self._entry.abandon()


class RefusingLedger:
    """kits.rpc.ledger.RequestLedger on this ledger: its faults are RpcErrors."""

    def __init__(self, ledger: SqlRequestLedger) -> None:
        self._ledger = ledger

    async def begin(self, request_id: str) -> RefusingEntry:
        """See RequestLedger. Raises: RpcError."""
        with storage_refusals():
            return RefusingEntry(await self._ledger.begin(request_id))
