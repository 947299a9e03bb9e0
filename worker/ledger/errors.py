"""Ledger: says in the words of the delivery rules what a database error means."""

from collections.abc import Iterator
from contextlib import contextmanager

from kits.postgres.errors import Fault, fault_of, sqlstate
from worker.delivery.ports import LedgerUnavailableError

_AGAIN = frozenset({Fault.RUN_AGAIN, Fault.OUTAGE, Fault.BUSY})


@contextmanager
def ledger_errors() -> Iterator[None]:
    """Raises LedgerUnavailableError for what may go by; any other error passes as it is."""
    try:
        yield
    except Exception as error:
        if fault_of(error) not in _AGAIN:
            raise
        reason = sqlstate(error) or type(error).__name__
        raise LedgerUnavailableError(f"The ledger's database does not answer now ({reason}).") from error
