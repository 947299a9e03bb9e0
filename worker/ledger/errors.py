"""Ledger: says in the words of the delivery rules what a database error means."""

from collections.abc import Iterator
from contextlib import contextmanager

from kits.postgres.errors import Fault, fault_of
from kits.postgres.outages import sentence, warn_once
from worker.delivery.ports import LedgerUnavailableError

_PASSED_ON = frozenset({Fault.BUG, Fault.DEFINITE})
_MIGRATE_COMMAND = "python -m worker migrate"


@contextmanager
def ledger_errors() -> Iterator[None]:
    """Raises LedgerUnavailableError for what may go by; any other error passes as it is."""
    try:
        yield
    except Exception as error:
        if fault_of(error) in _PASSED_ON:
            raise
        warn_once(error)
        raise LedgerUnavailableError(sentence(error, migrate_command=_MIGRATE_COMMAND)) from error
