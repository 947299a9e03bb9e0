"""What a failure costs an event is decided over all workers: failing alone, and the dead-letter limit."""

from collections.abc import AsyncIterator

import pytest

from kits.ordered_queue.item import Claim, Kind, Result, Settlement
from tests.integration.worker.receiving import DONE, FAILED, REFUSED, Inbox, Log, Worker, inbox_in
from tests.unit.worker.events import Sample

AWAY = Result(Kind.UNAVAILABLE, "503", "it is away")


@pytest.fixture
async def inbox(database_url: str) -> AsyncIterator[Inbox]:
    """An empty inbox."""
    async with inbox_in(database_url) as inbox:
        yield inbox


async def filled(inbox: Inbox, orders: int, **rules: float) -> tuple[Worker, dict[str, Claim]]:
    """A worker that holds the first events of these orders."""
    log, worker = Log(1), inbox.worker(**rules)
    log.append(*(Sample(f"o-{number:04}", 1) for number in range(orders)))
    await worker.begin(log)
    await worker.read(log)
    return worker, {claim.item.key: claim for claim in worker.claims.taken}


async def claimed_again(worker: Worker, inbox: Inbox, order: str) -> Claim:
    """The order's event, whose time has come."""
    await inbox.change("due_at = now() - interval '1 minute'", f"order_id = '{order}'")
    (claim,) = [claim for claim in await worker.look() if claim.item.key == order]
    return claim


async def fails_alone(worker: Worker, inbox: Inbox, order: str, times: int) -> None:
    """It fails again and again, and between its failures somebody succeeds."""
    for _ in range(times):
        worker.state.succeeded([Settlement(worker.claims.taken[0], DONE, began=worker.clock.now())])
        await worker.answer(await claimed_again(worker, inbox, order), result=FAILED)


async def test_only_what_fails_while_others_succeed_is_charged(inbox: Inbox) -> None:
    """At its next failure: a success must have begun after the former failed call."""
    worker, claims = await filled(inbox, 3)
    await worker.answer(claims["o-0000"], result=FAILED, age=2.0)
    assert (await inbox.row(claims["o-0000"].item.id))["attempts"] == 0
    again = await claimed_again(worker, inbox, "o-0000")
    await worker.answer(again, result=FAILED, age=1.5)
    assert (await inbox.row(again.item.id))["attempts"] == 0, "nobody has succeeded since"
    await worker.answer(claims["o-0001"], result=DONE, age=1.0)
    again = await claimed_again(worker, inbox, "o-0000")
    await worker.answer(again, result=FAILED, age=0.5)
    row = await inbox.row(again.item.id)
    assert (row["attempts"], row["error_class"], row["error_code"]) == (1, "failing_alone", "500")


async def test_another_workers_success_counts_and_a_restart_forgets_nothing(inbox: Inbox) -> None:
    """All of it stands in the tables."""
    worker, claims = await filled(inbox, 2)
    await worker.answer(claims["o-0000"], result=FAILED, age=5.0)
    await worker.answer(claims["o-0001"], result=DONE, age=1.0)
    await worker.state.look()
    restarted = inbox.worker()
    again = await claimed_again(restarted, inbox, "o-0000")
    await restarted.answer(again, result=FAILED)
    assert (await inbox.row(again.item.id))["attempts"] == 1


async def test_what_fails_before_an_outage_is_not_charged(inbox: Inbox) -> None:
    """The platform was lost after it had failed: it was nobody's fault."""
    worker, claims = await filled(inbox, 2)
    await worker.answer(claims["o-0000"], result=FAILED, age=5.0)
    worker.breaker.unavailable(worker.breaker.begin_call())
    await worker.state.look()
    worker.clock.seconds += 60
    worker.breaker.succeeded(worker.breaker.begin_call())
    await worker.answer(claims["o-0001"], result=DONE)
    again = await claimed_again(worker, inbox, "o-0000")
    await worker.answer(again, result=FAILED)
    assert (await inbox.row(again.item.id))["attempts"] == 0


async def test_a_burst_of_failures_from_everywhere_spends_no_attempt(inbox: Inbox) -> None:
    """All fail twice within 0.4 s, then all succeed: no success lies between an event's two failures."""
    worker, claims = await filled(inbox, 40)
    await worker.answer(*claims.values(), result=FAILED, age=0.4)
    await inbox.change("due_at = now() - interval '1 minute'")
    again = await worker.look()
    await worker.answer(*again[:20], result=FAILED, age=0.1)
    await worker.answer(*again[20:], result=DONE, age=0.05)
    await inbox.change("due_at = now() - interval '1 minute'", "delivered_at IS NULL")
    last = await worker.look()
    assert len(last) == 20
    await worker.answer(*last, result=DONE)
    assert await inbox.ask("SELECT max(attempts) FROM delivery.inbox_event") == [(0,)]


async def test_an_event_dies_after_so_many_attempts_and_so_long(inbox: Inbox) -> None:
    """Neither alone is enough."""
    worker, claims = await filled(inbox, 1)
    event_id = claims["o-0000"].item.id
    await inbox.change("first_failed_at = now() - interval '1 hour'")
    await worker.answer(claims["o-0000"], result=FAILED)
    await fails_alone(worker, inbox, "o-0000", 5)
    row = await inbox.row(event_id)
    assert (row["attempts"], row["dead_at"]) == (5, None), "what it shared with others an hour ago counts not"
    await inbox.change("first_failed_at = first_failed_at - interval '10 minutes'")
    await fails_alone(worker, inbox, "o-0000", 1)
    row = await inbox.row(event_id)
    assert (row["attempts"], row["dead_at"] is None, row["error_class"]) == (6, False, "failing_alone")


async def test_the_rules_of_dying_are_settings(inbox: Inbox) -> None:
    """At the second failure alone, at once."""
    worker, claims = await filled(inbox, 1, attempts=2, alone_seconds=0.0)
    await worker.answer(claims["o-0000"], result=FAILED)
    await fails_alone(worker, inbox, "o-0000", 2)
    assert (await inbox.row(claims["o-0000"].item.id))["dead_at"] is not None


async def test_a_database_clock_that_steps_back_charges_nobody_wrongly(inbox: Inbox) -> None:
    """What was written before lies in the future then: it proves nothing, and is set anew."""
    worker, claims = await filled(inbox, 3)
    await worker.answer(claims["o-0001"], result=DONE)
    await worker.answer(claims["o-0000"], result=FAILED, age=0.5)
    await inbox.change("last_began_at = last_began_at + interval '1 hour'")
    await inbox.ask("UPDATE delivery.inbox_group SET success_began_at = success_began_at + interval '1 hour'")
    again = await claimed_again(worker, inbox, "o-0000")
    await worker.answer(again, result=FAILED)
    assert (await inbox.row(again.item.id))["attempts"] == 1, "they were in this order"
    again = await claimed_again(worker, inbox, "o-0000")
    await worker.answer(claims["o-0002"], result=DONE, age=60.0)
    await worker.answer(again, result=FAILED)
    assert (await inbox.row(again.item.id))["attempts"] == 1, "that success began before"


async def test_the_eleventh_dead_of_the_last_two_hundred_trips_the_limit(inbox: Inbox) -> None:
    """Over two workers: it is released instead, and the trip says what they died of."""
    worker, claims = await filled(inbox, 12)
    log, other = Log(1), inbox.worker()
    log.append(*(Sample(f"p-{number}", 1) for number in range(6)))
    await other.begin(log)
    await other.read(log)
    orders = sorted(claims)
    for order in orders[:5]:
        await worker.answer(claims[order], result=REFUSED)
    for claim in other.claims.taken[:5]:
        await other.answer(claim, result=Result(Kind.REFUSED, "413", "too large"))
    assert not other.state.is_tripped
    await worker.answer(claims[orders[5]], result=REFUSED)
    assert worker.state.is_tripped
    row = await inbox.row(claims[orders[5]].item.id)
    assert (row["dead_at"], row["attempts"], row["token"]) == (None, 0, None)
    await other.answer(other.claims.taken[5], result=REFUSED)
    assert other.state.is_tripped
    assert await inbox.ask("SELECT count(*) FROM delivery.inbox_event WHERE dead_at IS NOT NULL") == [(10,)]
    tally = [(each["code"], each["reason"], each["count"]) for each in other.state.trip["tally"]]
    assert tally == [("422", "no such field", 6), ("413", "too large", 5)]
    assert other.state.trip["event_ids"] == [claims[orders[5]].item.id]


async def test_deaths_two_hundred_ends_ago_do_not_count(inbox: Inbox) -> None:
    """Nor do those that were redriven, and a release begins to count anew."""
    worker, claims = await filled(inbox, 250)
    ended = list(claims.values())
    await worker.answer(*ended[:10], result=REFUSED)
    await worker.answer(*ended[10:205], result=DONE)
    await worker.answer(*ended[205:212], result=REFUSED)
    assert not worker.state.is_tripped
    await inbox.change("redriven_at = now()", f"event_id = '{ended[212].item.id}'")
    await worker.answer(ended[212], result=REFUSED)
    await worker.answer(*ended[213:216], result=REFUSED)
    assert not worker.state.is_tripped, "seven and three"
    await worker.answer(ended[216], result=REFUSED)
    assert worker.state.is_tripped
    await inbox.ask("UPDATE delivery.inbox_group SET tripped_at = NULL, deaths = '{}'")
    await worker.state.look()
    assert not worker.state.is_tripped
    await worker.answer(ended[217], result=REFUSED)
    assert not worker.state.is_tripped


async def test_an_absent_platform_charges_nobody_and_fills_no_tally(inbox: Inbox) -> None:
    """However often."""
    worker, claims = await filled(inbox, 20)
    for _ in range(6):
        await worker.answer(*claims.values(), result=AWAY)
        await inbox.change("due_at = now() - interval '1 minute'")
        claims = {claim.item.key: claim for claim in await worker.look()}
    rows = await inbox.ask("SELECT max(attempts), count(dead_at), min(error_code) FROM delivery.inbox_event")
    assert rows == [(0, 0, "503")]


async def test_the_outage_of_a_lost_transaction_is_written_by_the_next(inbox: Inbox) -> None:
    """Or what failed before it would be charged."""
    worker = inbox.worker()
    worker.breaker.unavailable(worker.breaker.begin_call())
    await inbox.ask("ALTER TABLE delivery.inbox_group RENAME TO away")
    await worker.state.look()
    await inbox.ask("ALTER TABLE delivery.away RENAME TO inbox_group")
    await worker.state.look()
    ((opened_at,),) = await inbox.ask("SELECT opened_at FROM delivery.inbox_group")
    assert opened_at is not None
    await worker.state.look()
    assert await inbox.ask("SELECT opened_at FROM delivery.inbox_group") == [(opened_at,)]


async def test_what_ended_long_ago_is_deleted_but_for_what_may_still_be_asked_for(inbox: Inbox) -> None:
    """The newest number of an order, a cancelled one's too, and a dead letter that waits for its copy."""
    log, worker = Log(1), inbox.worker()
    log.append(Sample("open", 1), Sample("open", 2), Sample("closed", 1), Sample("new", 1), Sample("copy", 1))
    await worker.begin(log)
    await worker.read(log)
    await inbox.change("event_type = 'order.cancelled'", "order_id = 'closed'")
    await inbox.change("delivered_at = now() - interval '41 days'", "order_id IN ('open', 'closed')")
    await inbox.change("delivered_at = now() - interval '39 days'", "order_id = 'new'")
    await inbox.change(
        "dead_at = now() - interval '50 days', given_up_at = now() - interval '50 days', seq = NULL",
        "order_id = 'copy'",
    )
    await worker.store.delete_settled(limit=100)
    kept = [("open", 2), ("closed", 1), ("new", 1), ("copy", None)]
    assert await inbox.rows("order_id, seq") == kept
    await inbox.change("dlq_copied_at = now()", "order_id = 'copy'")
    await inbox.change("delivered_at = now() - interval '181 days'", "order_id IN ('open', 'closed')")
    await worker.store.delete_settled(limit=100)
    assert await inbox.rows("order_id, seq") == [("new", 1)]


async def test_an_event_that_is_tried_again_later_is_as_old_as_its_arrival(inbox: Inbox) -> None:
    """The age of the oldest is what an alert is made of."""
    worker, _ = await filled(inbox, 1)
    await inbox.change("received_at = now() - interval '1 hour', due_at = now() + interval '1 minute'")
    assert (await worker.store.backlog()).oldest_seconds >= 3600
