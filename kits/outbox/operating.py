"""Outbox kit, operators: bounded portions, and one error for outages, in the commands of every outbox."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from kits.ordered_queue.actions import MAX_ROWS
from kits.postgres.outages import is_outage, sentence
from kits.postgres.readiness import DatabaseUnreachableError


class OutboxUnavailableError(DatabaseUnreachableError):
    """The database does not answer, or a lock was not to be had. The same command again is safe."""

    code = "outbox_unavailable"


def portions(event_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many as one transaction takes, until all are named."""
    return (event_ids[first : first + MAX_ROWS] for first in range(0, len(event_ids), MAX_ROWS))


@contextmanager
def outages_told() -> Iterator[None]:
    """Raises OutboxUnavailableError for an outage; any other error passes as it is."""
    try:
        yield
    except Exception as error:
        if not is_outage(error):
            raise
        raise OutboxUnavailableError(
            f"{sentence(error)} Look with `outbox list`, then repeat the command."
        ) from error
