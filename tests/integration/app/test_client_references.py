"""A customer's own name for an order belongs to one order, on a real database, whoever comes at a time."""

import asyncio
import json

from app.application.batch_attempts import Outcome
from app.application.client_references import References, references_of
from app.application.commands import CreateOrder, ReplayedOrder
from app.application.errors import ReferenceHeldError, StorageBusyError
from app.domain.errors import ClientReferenceUsedError, OutOfStockError
from app.domain.order import Order
from tests.builders import a_command, a_product
from tests.integration.app.conftest import Shop
from tests.integration.app.test_quotes import quoted


async def test_a_second_order_with_the_reference_is_refused_with_the_first_ones_id(shop: Shop) -> None:
    """Its neighbours, other customers and other references are not concerned."""
    await shop.stock([a_product()])
    first = await shop.place(a_command(reference="r-1"))
    assert first.client_reference == "r-1"
    (payload,) = await shop.rows("SELECT payload FROM outbox_event")
    assert json.loads(payload[0])["order"]["clientReference"] == "r-1"
    again, other, theirs, without = await shop.facade.create_orders(
        [
            a_command(reference="r-1"),
            a_command(reference="R-1"),
            a_command(reference="r-1", customer="c-2"),
            a_command(),
        ]
    )
    assert isinstance(again, ClientReferenceUsedError)
    assert again.facts == {"orderId": first.id}
    assert isinstance(other, Order)
    assert isinstance(theirs, Order)
    assert isinstance(without, Order)
    assert without.client_reference is None
    assert (await shop.rows("SELECT stock FROM products")) == [(96,)]


async def test_of_two_in_one_batch_the_first_that_can_be_placed_has_it(shop: Shop) -> None:
    """What is refused for another reason leaves it free."""
    await shop.stock([a_product(stock=3)])
    refused, placed, again = await shop.facade.create_orders(
        [a_command(("p-1", 4), reference="r-1"), a_command(reference="r-1"), a_command(reference="r-1")]
    )
    assert isinstance(refused, OutOfStockError)
    assert isinstance(placed, Order)
    assert isinstance(again, ClientReferenceUsedError)
    assert again.facts == {"orderId": placed.id}


async def test_of_many_transactions_at_a_time_one_has_it_and_all_neighbours_are_placed(shop: Shop) -> None:
    """Each with several, in any order; who is told that it is busy asks again."""
    await shop.stock([a_product(stock=1000)])
    names = ["r-1", "r-2", "r-3"]
    batches = [
        [a_command(reference=name) for name in (names if turn % 2 else names[::-1])] + [a_command()]
        for turn in range(8)
    ]

    async def settled(batch: list[CreateOrder]) -> list[Outcome]:
        outcomes = await shop.facade.create_orders(batch)
        for at, command in enumerate(batch):
            while isinstance(outcomes[at], StorageBusyError):
                (outcomes[at],) = await shop.facade.create_orders([command])
        return outcomes

    done = await asyncio.gather(*map(settled, batches))
    outcomes = [outcome for batch in done for outcome in batch[:3]]
    placed = {one.client_reference: one.id for one in outcomes if isinstance(one, Order)}
    assert sorted(map(str, placed)) == names
    refused = [one.facts["orderId"] for one in outcomes if isinstance(one, ClientReferenceUsedError)]
    assert len(refused) == len(outcomes) - 3
    assert set(refused) <= set(placed.values())
    assert all(isinstance(batch[3], Order) for batch in done)


async def test_a_reference_that_another_session_holds_stops_nobody_else(shop: Shop) -> None:
    """A process may freeze while it places one; its key is free again too."""
    await shop.stock([a_product()])
    held = a_command(reference="r-1", key="k-1")
    async with shop.transactions() as uow:
        await uow.orders.lock_references([("c-1", "r-1")])
        outcomes = await shop.facade.create_orders([held, a_command(reference="r-2"), a_command()])
    assert [type(outcome) for outcome in outcomes] == [ReferenceHeldError, Order, Order]
    (placed,) = await shop.facade.create_orders([held])
    assert isinstance(placed, Order)


async def test_the_same_request_with_its_key_is_replayed_and_not_refused(shop: Shop) -> None:
    """The key comes first; with another key it is another request."""
    await shop.stock([a_product()])
    first = await shop.place(a_command(reference="r-1", key="k-1"))
    again, other = await shop.facade.create_orders(
        [a_command(reference="r-1", key="k-1"), a_command(reference="r-1", key="k-2")]
    )
    assert again == ReplayedOrder(first)
    assert isinstance(other, ClientReferenceUsedError)
    assert await shop.rows("SELECT key FROM idempotency_keys") == [("k-1",)]


async def test_a_quote_tells_that_the_reference_is_used(shop: Shop) -> None:
    """As the order would be told."""
    await shop.stock([a_product()])
    first = await shop.place(a_command(reference="r-1"))
    (refusal,) = (await quoted(shop, a_command(reference="r-1"))).refusals
    assert (refusal.code, refusal.facts) == ("client_reference_used", {"orderId": first.id})
    assert (await quoted(shop, a_command(reference="r-2"))).refusals == ()
    assert (await quoted(shop, a_command(reference="r-1", customer="c-2"))).refusals == ()


async def test_commands_without_a_reference_cost_no_statement() -> None:
    """There is nothing to ask."""
    for careful in (False, True):
        nothing = await references_of([a_command()], None, careful=careful)  # type: ignore[arg-type]
        assert nothing == References()
