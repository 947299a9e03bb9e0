"""Skip and discard under virtual time: the platform is told first, then the ledger, then the rest goes."""

import pytest

from contracts.order_events import ORDER_EVENT_SKIPPED, skip_notice_id
from tests.unit.worker.events import Sample, an_order
from tests.unit.worker.fakes import ACCEPTED, AWAY, REFUSED, InMemoryLedger, an_event
from tests.unit.worker.group import Group
from tests.unit.worker.stuck import Operator, stuck_order
from tests.virtual_time import run_virtually
from worker.delivery.event import Event
from worker.delivery.failures import Answer
from worker.delivery.operator_actions import Discard, Redriving, Skip
from worker.delivery.seq import Block, OrderState
from worker.delivery.stuck import Wanted
from worker.delivery.verdicts import Status, Verdict


def test_skip_tells_the_platform_and_then_the_held_ones_go() -> None:
    """The notice takes the number's place, under an id that is the same however often."""

    async def main() -> None:
        operator = Operator(InMemoryLedger())
        order = await stuck_order(operator.ledger)
        assert await operator.act(Skip()) == {"o-1": ""}
        assert operator.platform.first_arrivals("o-1") == [2, 3, 4, 5]
        assert operator.platform.keys[0] == skip_notice_id("test-group", "o-1", 2)
        assert operator.ledger.status(order[1]) == "skipped"
        assert operator.ledger.orders["o-1"] == OrderState(5)
        assert [note for _, note in operator.stuck.notes]

    run_virtually(main())


def test_skip_of_a_gap_tells_every_missing_number() -> None:
    """2 and 3 never came: two notices, and the held events themselves."""

    async def main() -> None:
        operator = Operator(InMemoryLedger())
        order = await stuck_order(operator.ledger, dead=None, missing=2)
        types: list[str] = []

        def accept(event: Event) -> Answer:
            types.append(event.event_type)
            return ACCEPTED

        operator.platform.rule = accept
        assert "missing" in (await operator.act(Redriving()))["o-1"]
        assert await operator.act(Skip()) == {"o-1": ""}
        assert operator.platform.first_arrivals("o-1") == [2, 3, 4, 5]
        assert types == [ORDER_EVENT_SKIPPED] * 2 + ["order.created"] * 2
        assert operator.ledger.status(order[3]) == "delivered"

    run_virtually(main())


def test_discard_gives_up_what_is_stuck_and_later_events_go() -> None:
    """Each number is told; the next event that the topic brings is delivered."""

    async def main() -> None:
        group = Group()
        order = an_order("o-1", 4)
        refused = order[1].event_id
        group.platform.rule = lambda event: REFUSED if event.event_id == refused else ACCEPTED
        group.log.append(order)
        async with group.member():
            await group.finish()
            operator = Operator(group.ledger, group.platform)
            assert await operator.act(Discard()) == {"o-1": ""}
            group.log.append(an_order("o-1", 6, first_seq=5))
            await group.finish()
        assert group.platform.first_arrivals("o-1") == [1, 2, 3, 4, 5, 6]
        assert group.ledger.orders["o-1"] == OrderState(6)
        statuses = [row.status for row in group.ledger.rows.values()]
        assert statuses.count(Status.DISCARDED) == 3

    run_virtually(main())


@pytest.mark.parametrize("answer", [REFUSED, AWAY])
@pytest.mark.parametrize("action", [Skip(), Discard()])
def test_a_notice_that_is_not_taken_changes_nothing(answer: Answer, action: Skip | Discard) -> None:
    """The number is not passed over before the platform knows."""

    async def main() -> None:
        operator = Operator(InMemoryLedger())
        await stuck_order(operator.ledger)
        before = dict(operator.ledger.rows)
        operator.platform.rule = lambda _: answer
        assert (await operator.act(action))["o-1"]
        assert operator.ledger.rows == before
        assert operator.ledger.orders["o-1"] == OrderState(1, Block.DEAD)
        assert not operator.stuck.notes

    run_virtually(main())


def test_notices_can_be_switched_off() -> None:
    """For a platform that knows no such event."""

    async def main() -> None:
        operator = Operator(InMemoryLedger())
        await stuck_order(operator.ledger)
        assert await operator.act(Skip(), tells_platform=False) == {"o-1": ""}
        assert operator.platform.first_arrivals("o-1") == [3, 4, 5]

    run_virtually(main())


def test_an_event_of_an_unknown_order_is_given_up_alone() -> None:
    """It holds nothing, has no number, and cannot be sent."""

    async def main() -> None:
        operator = Operator(InMemoryLedger())
        nameless = Sample(value=b"{", without=frozenset({"ce_subject"}))
        event = an_event(nameless)
        await operator.ledger.record([Verdict(event, Status.DEAD, event.failure)])
        assert "cannot be read" in (await operator.act(Redriving()))[nameless.event_id]
        assert await operator.act(Discard(), Wanted(event_id=nameless.event_id)) == {nameless.event_id: ""}
        assert operator.platform.calls == []
        assert operator.ledger.status(nameless) == "discarded"

    run_virtually(main())
