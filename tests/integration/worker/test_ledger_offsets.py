"""Where a group that has lost its offsets may go on, by what the ledger has."""

from collections.abc import AsyncIterator

import pytest

from kits.kafka.records import TopicPartition
from kits.postgres.engine import create_engine
from tests.unit.worker.events import TOPIC, Sample
from tests.unit.worker.fakes import an_event
from worker.delivery.event import Event, failure
from worker.delivery.verdicts import Status, Verdict
from worker.ledger.deliveries import SqlLedger
from worker.ledger.offsets import SqlLedgerOffsets

HERE, ELSEWHERE = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)
HELD = failure("gap", "gap", "an earlier number is missing")


def at_offset(offset: int) -> Event:
    """The first event of an order of its own."""
    return an_event(Sample(f"o-{offset}"), offset=offset)


@pytest.fixture
async def offsets(database_url: str) -> AsyncIterator[SqlLedgerOffsets]:
    """A ledger that has the offsets 5, 6, 7 and 9 of one partition; 7 is held."""
    engine = create_engine(database_url, application_name="test-ledger")
    ledger = SqlLedger(engine, group="test-group")
    await ledger.record([Verdict(at_offset(offset), Status.DELIVERED) for offset in (5, 6, 9)])
    await ledger.record([Verdict(an_event(Sample("o-7", 2), offset=7), Status.HELD, HELD)])
    await SqlLedger(engine, group="another").record([Verdict(at_offset(8), Status.DELIVERED)])
    yield SqlLedgerOffsets(engine, group="test-group")
    await engine.dispose()


@pytest.mark.parametrize(("start", "found"), [(5, 8), (6, 8), (9, 10), (10, 10), (3, 3), (8, 8)])
async def test_nothing_without_a_row_is_passed_over(
    offsets: SqlLedgerOffsets, start: int, found: int
) -> None:
    """It goes on at the first hole, whatever was done behind it; what is held is safe too."""
    assert await offsets.first_unrecorded(HERE, start) == found
    assert await offsets.first_unrecorded(ELSEWHERE, start) == start
