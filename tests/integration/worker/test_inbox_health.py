"""What the inbox's checks say, and what they warn of."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from structlog.testing import capture_logs

from kits.observability.health import HealthCheck, Status
from tests.integration.worker.receiving import GROUP, REFUSED, Inbox, Log, Worker, inbox_in
from tests.unit.worker.events import Sample
from worker.inbox.health import InboxWatch, PartitionsCheck, inbox_probe


@pytest.fixture
async def inbox(database_url: str) -> AsyncIterator[Inbox]:
    """An empty inbox."""
    async with inbox_in(database_url) as inbox:
        yield inbox


def watch_of(inbox: Inbox, worker: Worker) -> InboxWatch:
    """The watch of this worker."""
    return InboxWatch(inbox.engine, worker.store, worker.state, GROUP, worker.metrics)


async def said(checks: list[HealthCheck], name: str) -> tuple[Status, str]:
    """What one check finds."""
    (check,) = [check for check in checks if check.name == name]
    result = await check.check()
    return result.status, result.detail


async def test_a_gap_is_warned_of_once_with_what_is_missing_and_where(inbox: Inbox) -> None:
    """Its sentence stays as long as the gap does; what waits for a moment only is none."""
    log, worker = Log(1), inbox.worker()
    log.append(Sample("o-1", 1), Sample("o-1", 4), Sample("o-2", 3), Sample("o-3", 2))
    await worker.begin(log)
    await worker.read(log)
    await inbox.change("due_at = now() - interval '1 minute'", "order_id <> 'o-3'")
    watch = watch_of(inbox, worker)
    with capture_logs() as logs:
        await watch.look()
        await watch.look()
    gaps = [each for each in logs if each["event"] == "number_missing"]
    assert [(each["order_id"], each["missing"], each["waiting"]) for each in gaps] == [
        ("o-1", "numbers 2 to 3", 4), ("o-2", "numbers 1 to 2", 3)
    ]  # fmt: skip
    assert [(each["partition"], each["offset"]) for each in gaps] == [(0, 1), (0, 2)]
    status, detail = await said(watch.checks(), "gaps")
    assert (status, "numbers 2 to 3 of order o-1" in detail) == (Status.OK, True)
    log.append(Sample("o-1", 2), Sample("o-1", 3), Sample("o-2", 1), Sample("o-2", 2))
    await worker.read(log)
    await watch.look()
    assert await said(watch.checks(), "gaps") == (Status.OK, "")


async def test_dead_letters_are_counted_by_class_and_the_limit_makes_unready(inbox: Inbox) -> None:
    """It says what stops everything, and how to go on."""
    log, worker = Log(1), inbox.worker()
    log.append(Sample("u-1", 1, value=b"?"), *(Sample(f"o-{number}", 1) for number in range(11)))
    await worker.begin(log)
    await worker.read(log)
    watch = watch_of(inbox, worker)
    await worker.answer(*worker.claims.taken[:10], result=REFUSED)
    await watch.look()
    assert (await said(watch.checks(), "dead_letters"))[1].startswith(
        "Dead letters: 11 (10 rejected, 1 unreadable)"
    )
    assert await said(watch.checks(), "dead_letter_limit") == (Status.OK, "")
    await worker.answer(worker.claims.taken[10], result=REFUSED)
    status, detail = await said(watch.checks(), "dead_letter_limit")
    assert (status, "11 x rejected 422" in detail, "dlq release" in detail) == (Status.UNREADY, True, True)


async def test_the_oldest_transaction_of_the_database_is_named(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose it is, and for how long it has been open."""
    worker = inbox.worker()
    watch = watch_of(inbox, worker)
    monkeypatch.setattr("worker.inbox.health._LONG_SECONDS", 0.001)
    holder = await asyncpg.connect(inbox.url, server_settings={"application_name": "long-report"})
    try:
        await holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await holder.fetch("SELECT 1")
        await asyncio.sleep(0.01)
        await watch.look()
        status, detail = await said(watch.checks(), "oldest_transaction")
        assert (status, "long-report" in detail) == (Status.DEGRADED, True)
    finally:
        await holder.close()


async def test_a_partition_whose_unread_records_were_deleted_stands_and_says_so(inbox: Inbox) -> None:
    """With the offsets and the command; sought, it goes on."""
    log, worker = Log(2), inbox.worker()
    log.append(*(Sample(f"o-{number}", 1) for number in range(6)), partition=1)
    await worker.begin(log)
    await worker.read(log, count=2)
    log.expire(1, 4)
    assert await worker.begin(log) == {0: 0}
    status, detail = await said([PartitionsCheck(worker.receiver)], "partitions")
    assert status is Status.UNREADY
    assert "partition 1: its log begins at 4, so the offsets 2 to 3 were deleted unread" in detail
    assert "offsets seek" in detail
    await inbox.ask("UPDATE delivery.inbox_partition SET next_offset = 4 WHERE partition = 1")
    assert await worker.begin(log, 1) == {1: 4}
    assert await said([PartitionsCheck(worker.receiver)], "partitions") == (Status.OK, "")


async def test_the_probe_needs_every_right_that_the_worker_uses(inbox: Inbox) -> None:
    """And it leaves nothing."""
    async with inbox.engine.connect() as connection:
        assert await inbox_probe(GROUP).run(connection) == ""
    await inbox.ask("DROP TABLE delivery.inbox_audit")
    async with inbox.engine.connect() as connection:
        assert "inbox_audit" in await inbox_probe(GROUP).run(connection)
