"""What an operator is shown of an inbox: what is stuck, why, since when, and what is missing."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from kits.postgres.engine import create_engine
from tests.integration.worker.inbox_rows import GROUP, NOW, InboxRows
from worker.inbox.operators.stuck import STUCK, Filter, State, StuckEvents


@pytest.fixture
def rows(database_url: str) -> InboxRows:
    return InboxRows(database_url)


@pytest.fixture
async def stuck(database_url: str) -> AsyncIterator[StuckEvents]:
    engine = create_engine(database_url, application_name="test-stuck")
    yield StuckEvents(engine, group=GROUP, gap_seconds=30.0)
    await engine.dispose()


async def _seen(stuck: StuckEvents, **asked: object) -> dict[tuple[str | None, int | None], tuple[str, ...]]:
    found = await stuck.listed(Filter(**asked))  # type: ignore[arg-type]
    return {(e.order_id, e.seq): (e.state, e.error_class or "", e.missing, e.why) for e in found}


async def test_each_event_says_why_it_is_stuck(rows: InboxRows, stuck: StuckEvents) -> None:
    """Dead, retrying, behind either, before or behind a gap, without bytes; what is well is not there."""
    await rows.put("dead", 1, "done")
    await rows.put("dead", 2, "dead")
    await rows.put("dead", 3)
    await rows.put("retrying", 1, "retrying")
    await rows.put("retrying", 2)
    await rows.put("gap", 1, "done")
    await rows.put("gap", 4)
    await rows.put("gap", 5)
    await rows.put("begins", 7, is_first=True)
    await rows.put("lost", 1, payload=None, replayed_at=NOW)
    await rows.put("well", 1)
    await rows.put("young", 2, received_at=NOW + timedelta(hours=1))
    await rows.put("again", 1, last_failed_at=NOW, redriven_at=NOW + timedelta(seconds=1))
    await rows.put(None, None, "dead", error_class="unreadable", error_code="undecodable_value")
    assert await _seen(stuck) == {
        ("dead", 2): ("dead", "rejected", "", "no such field"),
        ("dead", 3): ("behind", "blocked", "", "behind 2 (dead)"),
        ("retrying", 1): ("retrying", "failing_alone", "", "no answer"),
        ("retrying", 2): ("behind", "blocked", "", "behind 1 (retrying)"),
        ("gap", 4): ("gap", "gap", "2-3", "2-3 has not come"),
        ("gap", 5): ("behind", "blocked", "2-3", "behind 4, before which 2-3 is missing"),
        ("lost", 1): ("unfilled", "", "", "its bytes are read from the topic again"),
        (None, None): ("dead", "unreadable", "", "no such field"),
    }
    assert await _seen(stuck, states=[State.WAITING], order_id="begins") == {
        ("begins", 7): ("waiting", "", "", "")
    }


async def test_a_filter_chooses_and_the_ages_are_counted(rows: InboxRows, stuck: StuckEvents) -> None:
    """All that is given must fit; whatever was asked, it is known how many there were to choose from."""
    old = await rows.put("a", 1, "dead", dead_at=NOW - timedelta(days=9))
    await rows.put("b", 1, "dead", event_type="order.paid")
    await rows.put("b", 2)
    await rows.put("c", 2, "given_up", error_class="number_conflict")
    assert set(await _seen(stuck, error_class="rejected", event_type="order.paid")) == {("b", 1)}
    assert set(await _seen(stuck, event_id=old)) == {("a", 1)}
    assert set(await _seen(stuck, code="422", until=NOW - timedelta(days=1))) == {("a", 1)}
    assert set(await _seen(stuck, since=NOW - timedelta(days=1))) == {("b", 1), ("b", 2)}
    assert list(await _seen(stuck, limit=1)) == [("a", 1)]
    assert set(await _seen(stuck, states=[State.GIVEN_UP])) == {("c", 2)}
    assert await _seen(stuck, code="423") == {}
    looked = await stuck.kinds(Filter(code="423"))
    assert (looked.events, looked.classes) == (3, {"rejected": 2, "blocked": 1})
    assert (looked.codes, looked.types) == ({"422": 2}, {"order.created": 2, "order.paid": 1})
    ages = {tally.error_class: tally for tally in await stuck.ages(Filter())}
    assert (ages["rejected"].day, ages["rejected"].longer, ages["blocked"].day) == (1, 1, 1)
    assert (await stuck.kinds(Filter(states=STUCK[:1]))).events == 2
