"""What operators do to the inbox: changes of rows, and a running queue does the rest."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.order_events import ORDER_EVENT_SKIPPED, skip_notice_id
from kits.ordered_queue.actions import Actions
from kits.postgres.engine import create_engine
from tests.integration.worker.inbox_rows import GROUP, NOW, InboxRows
from tests.integration.worker.running_queue import Platform, running_queue
from tests.waiting import eventually
from worker.inbox.operators.audit import Note, notes
from worker.inbox.operators.operations import InboxOperations, Target
from worker.inbox.operators.replays import Delivered, replay
from worker.inbox.operators.stuck import Filter, State, StuckEvents
from worker.inbox.queue_table import inbox_queue


def note(action: str) -> Note:
    """Who does it."""
    return Note("kim", action, GROUP, "ticket 7")


@pytest.fixture
def rows(database_url: str) -> InboxRows:
    return InboxRows(database_url)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(database_url, application_name="test-operations")
    yield engine
    await engine.dispose()


@pytest.fixture
def actions(engine: AsyncEngine) -> Actions:
    return Actions(inbox_queue(GROUP, engine))


@pytest.fixture
def operations(engine: AsyncEngine, actions: Actions) -> InboxOperations:
    return InboxOperations(engine, actions, group=GROUP)


async def an_order(rows: InboxRows, *states: str, order_id: str = "o-1") -> list[str]:
    """The events 1, 2, 3 … of an order in these states; `-` is a number that nobody saw."""
    found = []
    for number, state in enumerate(states, 1):
        found.append("" if state == "-" else await rows.put(order_id, number, state))
    return found


async def test_what_is_redriven_goes_by_itself_and_then_what_is_behind_it(
    rows: InboxRows, engine: AsyncEngine, operations: InboxOperations
) -> None:
    """Twice changes nothing more; a dry run changes nothing; what cannot be read is left."""
    await an_order(rows, "done", "dead", "waiting", "waiting")
    unreadable = await rows.put(None, None, "dead", error_class="unreadable")
    stuck = StuckEvents(engine, group=GROUP, gap_seconds=30.0)
    dead = await stuck.listed(Filter(states=[State.DEAD]))
    assert [each.left for each in await operations.redrive(dead, note("redrive"), dry_run=True)].count(
        ""
    ) == 1
    assert (await rows.order("o-1"), await rows.audit()) == (
        {1: "done", 2: "dead", 3: "waiting", 4: "waiting"},
        [],
    )
    platform = Platform()
    async with running_queue(engine, GROUP, platform):
        results = {each.event_id: each.left for each in await operations.redrive(dead, note("redrive"))}
        assert "no event can be made" in results.pop(unreadable)
        assert list(results.values()) == [""]
        await eventually(lambda: platform.numbers("o-1") == [2, 3, 4])
    again = await operations.redrive(dead, note("redrive"))
    assert min(each.left for each in again) == "it was delivered"
    assert [entry[:2] for entry in await rows.audit()] == [("redrive", "o-1")]


async def test_a_skipped_event_is_told_in_its_place_and_the_rest_flows(
    rows: InboxRows, engine: AsyncEngine, operations: InboxOperations
) -> None:
    """Under the id that is the same however often; its row stays, without its number."""
    _, dead, _ = await an_order(rows, "done", "dead", "waiting")
    platform = Platform()
    async with running_queue(engine, GROUP, platform):
        done = await operations.give_up(Target("o-1"), note("skip"))
        assert (done.done, done.left) == ("number 2", "")
        await eventually(lambda: platform.numbers("o-1") == [2, 3])
    told = msgspec.json.decode(platform.bodies["o-1", 2])
    assert (told["eventType"], told["skippedEventId"], told["reason"]) == (
        ORDER_EVENT_SKIPPED,
        dead,
        "ticket 7",
    )
    assert told["eventId"] == skip_notice_id(GROUP, "o-1", 2)
    assert (await operations.give_up(Target("o-1"), note("skip"))).left == "nothing of it is open"
    assert (await operations.give_up(Target(event_id=dead), note("skip"))).left == "nothing of it is open"
    assert await rows.audit() == [("skip", "o-1", dead, "ticket 7")]
    (row,) = await rows.ask("SELECT * FROM delivery.inbox_event WHERE notice_of IS NOT NULL")
    assert (row["notice_of"], row["seq"]) == (dead, 2)


async def test_the_missing_numbers_of_a_gap_are_skipped(
    rows: InboxRows, engine: AsyncEngine, operations: InboxOperations
) -> None:
    """All of those at the front, or one; the numbers behind them are no part of it."""
    await an_order(rows, "-", "-", "waiting", "-", "waiting")
    assert (await operations.give_up(Target("o-1", seq=4), note("skip"))).left.startswith(
        "number 4 is neither"
    )
    assert (await operations.give_up(Target("o-1", seq=2), note("skip"))).done == "missing 2"
    assert (await operations.give_up(Target("o-1"), note("skip"))).done == "missing 1"
    assert await rows.order("o-1") == {1: "notice", 2: "notice", 3: "waiting", 5: "waiting"}
    platform = Platform()
    async with running_queue(engine, GROUP, platform):

        async def four_is_skipped() -> bool:
            done = await operations.give_up(Target("o-1"), note("skip"))
            assert done.left.endswith("it may be on its way: try again") or done.done == "missing 4"
            return not done.left

        await eventually(four_is_skipped)
        await eventually(lambda: platform.numbers("o-1") == [1, 2, 3, 4, 5])
    assert msgspec.json.decode(platform.bodies["o-1", 4])["skippedEventId"] is None


async def test_nobody_is_told_and_the_number_stays(
    rows: InboxRows, engine: AsyncEngine, operations: InboxOperations
) -> None:
    """With DATA_PLATFORM_SKIP_NOTICES=false; a dead notice can be given up so too, and in no other way."""
    await an_order(rows, "dead", "-", "waiting")
    await rows.put("o-2", 1, "dead", notice_of="")
    await rows.put("o-2", 2)
    assert (await operations.give_up(Target("o-1"), note("skip"), tells=False)).done == "number 1"
    assert (await operations.give_up(Target("o-1"), note("skip"), tells=False)).done == "missing 2"
    assert await rows.order("o-1") == {1: "given_up", 2: "given_up", 3: "waiting"}
    assert "is a notice itself" in (await operations.give_up(Target("o-2"), note("skip"))).left
    assert (await operations.give_up(Target("o-2"), note("skip"), tells=False)).left == ""
    platform = Platform()
    async with running_queue(engine, GROUP, platform):
        await eventually(lambda: (platform.numbers("o-1"), platform.numbers("o-2")) == ([3], [2]))


async def test_a_discard_takes_all_that_is_open_of_an_order_or_nothing(
    rows: InboxRows, engine: AsyncEngine, operations: InboxOperations
) -> None:
    """What may be on its way is no operator's; later events of the order go on."""
    await an_order(rows, "done", "dead", "-")
    await rows.put("o-1", 4, claim=1)
    await rows.put("o-1", None, "dead", error_class="unreadable")
    await an_order(rows, "waiting", "waiting", order_id="o-2")
    await rows.ask("UPDATE delivery.inbox_event SET claim = 1, token = gen_random_uuid(),"
                   " lease_until = now() + interval '1 h' WHERE order_id = 'o-2' AND seq = 1")  # fmt: skip
    left = (await operations.give_up(Target("o-2"), note("discard"), whole=True)).left
    assert left.endswith("it may be on its way: try again")
    assert await rows.order("o-2") == {1: "waiting", 2: "waiting"}
    done = await operations.give_up(Target("o-1"), note("discard"), whole=True)
    assert (done.done, done.left) == ("number 2, 4, missing 3", "")
    assert len(await rows.audit()) == 4
    await rows.put("o-1", 5)
    platform = Platform()
    async with running_queue(engine, GROUP, platform):
        await eventually(lambda: platform.numbers("o-1") == [2, 3, 4, 5])
    assert all(b"event_skipped" in platform.bodies["o-1", number] for number in (2, 3, 4))


async def test_a_replay_since_brings_everything_again_in_order_and_marked(
    rows: InboxRows, engine: AsyncEngine, actions: Actions
) -> None:
    """Whatever the size of its transactions; what was delivered earlier, or is refused now, is done then."""
    old = {"delivered_at": NOW - timedelta(days=2)}
    await rows.put("o-1", 1, "done", **old)
    for number in (2, 3, 4):
        await rows.put("o-1", number, "done", payload=b'{"n":1}')
    refused = await rows.put("o-2", 1, "done", payload=b"{}")
    await rows.put("o-2", 2, "done", payload=b"{}")
    await rows.put("o-2", 3, "done", payload=b"{}", event_type="order.paid")
    chosen = Delivered(since=NOW - timedelta(days=1))
    dry = [count async for count in replay(engine, actions, chosen, note("replay"), dry_run=True)]
    assert (sum(dry), await rows.audit()) == (6, [])
    platform = Platform()
    platform.refuses = {refused}
    async with running_queue(engine, GROUP, platform):
        counts = [count async for count in replay(engine, actions, chosen, note("replay"), at_once=2)]
        assert [count for count in counts if count] == [2, 2, 2]
        await eventually(lambda: len(platform.arrived) == 5)
    assert platform.numbers("o-1") == [2, 3, 4]
    assert platform.numbers("o-2") == [2, 3]
    assert all(is_marked for _, _, is_marked in platform.arrived)
    assert set((await rows.order("o-1") | await rows.order("o-2")).values()) == {"done"}
    assert (
        sum(
            [
                count
                async for count in replay(engine, actions, Delivered(event_type="order.paid"), note("replay"))
            ]
        )
        == 1
    )
    written = await notes(engine, GROUP, limit=10, action="replay")
    assert written[0].detail == "1 events, orders o-2 to o-2"
    assert [each.actor for each in written] == ["kim"] * 4


async def test_a_replayed_event_that_is_given_up_is_done_again(
    rows: InboxRows, engine: AsyncEngine, actions: Actions, operations: InboxOperations
) -> None:
    """Nobody is told: it was delivered once."""
    await an_order(rows, "done", "done")
    assert [c async for c in replay(engine, actions, Delivered(order_id="o-1"), note("replay"))] == [2]
    assert (await operations.give_up(Target("o-1"), note("skip"))).left == ""
    assert (await operations.give_up(Target("o-1"), note("discard"), whole=True)).left == ""
    assert await rows.order("o-1") == {1: "done", 2: "done"}


async def test_operators_get_in_each_others_way_and_every_order_is_kept(
    rows: InboxRows, engine: AsyncEngine, operations: InboxOperations
) -> None:
    """Redrives, skips and discards of the same orders at the same time, beside two running workers."""
    orders = [f"o-{number}" for number in range(12)]
    for order_id in orders:
        await an_order(rows, "done", "dead", "waiting", "-", "waiting", order_id=order_id)
    dead = await StuckEvents(engine, group=GROUP, gap_seconds=30.0).listed(Filter(states=[State.DEAD]))
    platform = Platform()

    async def skip_until_it_is_through(order_id: str) -> None:
        await eventually(lambda: _through(operations, platform, order_id))

    async with running_queue(engine, GROUP, platform), running_queue(engine, GROUP, platform):
        await asyncio.gather(
            *(operations.redrive(dead[first::3], note("redrive")) for first in range(3)),
            *(operations.give_up(Target(each), note("discard"), whole=True) for each in orders[::2]),
            *(skip_until_it_is_through(order_id) for order_id in orders),
        )
    assert [platform.numbers(order_id) for order_id in orders] == [[2, 3, 4, 5]] * len(orders)


async def _through(operations: InboxOperations, platform: Platform, order_id: str) -> bool:
    await operations.give_up(Target(order_id), note("skip"))
    return platform.numbers(order_id)[-1:] == [5]


async def test_a_replay_that_was_cut_off_is_begun_again(
    rows: InboxRows, engine: AsyncEngine, actions: Actions
) -> None:
    """What it did is done, and nothing of it is lost; the repeats are marked."""
    for number in range(1, 6):
        await rows.put("o-1", number, "done", payload=b"{}")
    async for _ in replay(engine, actions, Delivered(order_id="o-1"), note("replay"), at_once=2):
        break
    assert list((await rows.order("o-1")).values()) == ["waiting", "waiting", "done", "done", "done"]
    counts = [each async for each in replay(engine, actions, Delivered(order_id="o-1"), note("replay"))]
    assert counts == [3]
    platform = Platform()
    async with running_queue(engine, GROUP, platform):
        await eventually(lambda: platform.numbers("o-1") == [1, 2, 3, 4, 5])
