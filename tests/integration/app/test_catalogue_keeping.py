"""What the staff's doors do, on a real database, several at once and beside running orders."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from app.application.catalogue_changes import Verdict, fingerprint
from app.application.catalogue_errors import CatalogueChangedError, CouponLimitsError, StockTooLowError
from app.application.catalogue_keeping import CatalogueKeeping, Precondition
from app.application.catalogue_ports import Editor, RecordedMovement, StockMovement
from app.application.commands import IdempotencyKey
from app.application.errors import IdempotencyKeyReusedError, RowHeldError, StorageUnavailableError
from app.application.stock_keeping import StockKeeping
from app.domain.order import Order
from app.persistence.catalogue_reading import SqlCatalogueReader
from app.persistence.catalogue_work import SqlCatalogueTransactions
from tests.builders import a_command, a_coupon, a_product
from tests.integration.app.conftest import Shop
from tests.waiting import patient

ANNA = Editor("anna", "PUT /products")
ANY = Precondition()


def a_movement(delta: int, *, key: str | None = None, product: str = "p-1") -> StockMovement:
    named = IdempotencyKey(key, f"{product} {delta}".encode()) if key else None
    return StockMovement(str(uuid7()), product, delta, "anna", "counted", named)


@pytest.fixture
def keeping(shop: Shop) -> CatalogueKeeping:
    """The catalogue of the test's shop, as one process has it."""
    return CatalogueKeeping(SqlCatalogueTransactions(shop.engine), lambda: str(uuid7()))


@pytest.fixture
def stock(shop: Shop) -> StockKeeping:
    """The stock of the test's shop."""
    return StockKeeping(SqlCatalogueTransactions(shop.engine))


@pytest.fixture
def reader(engine: AsyncEngine) -> SqlCatalogueReader:
    """What the staff looks up."""
    return SqlCatalogueReader(engine)


async def at_once(stock: StockKeeping, movements: list[StockMovement]) -> list[Any]:
    async with asyncio.timeout(patient(60)):
        moving = [stock.add_for_caller(one) for one in movements]
        return await asyncio.gather(*moving, return_exceptions=True)


async def test_of_twenty_who_take_the_last_ten_pieces_ten_get_one(
    shop: Shop, stock: StockKeeping, reader: SqlCatalogueReader
) -> None:
    """Stock ends at 0, and the history counts down to it without a gap, in the order of the pages."""
    await shop.stock([a_product("p-1", stock=10), a_product("p-2", stock=10)])
    outcomes = await at_once(stock, [a_movement(-1, key=f"k-{number}") for number in range(20)])
    done = [one for one in outcomes if isinstance(one, RecordedMovement)]
    refused = [one for one in outcomes if isinstance(one, StockTooLowError)]
    assert (len(done), len(refused)) == (10, 10), outcomes
    assert await shop.rows("SELECT stock FROM products ORDER BY id") == [(0,), (10,)]
    history = await reader.movements("p-1", limit=100)
    assert [one.stock_after for one in history] == list(range(10))
    assert sum(one.movement.delta for one in history) == -10
    assert {one.movement.movement_id for one in history} == {one.movement.movement_id for one in done}
    paged: list[RecordedMovement] = []
    while len(paged) < 10:
        last = paged[-1].movement.movement_id if paged else None
        paged += await reader.movements("p-1", before=last, limit=3)
    assert paged == history
    assert await reader.movements("p-1", before=paged[-1].movement.movement_id, limit=3) == []
    # A refused movement leaves its key free.
    assert await shop.rows("SELECT count(*) FROM idempotency_keys") == [(10,)]


async def test_twenty_repeats_at_once_are_one_movement(shop: Shop, stock: StockKeeping) -> None:
    """Each gets the answer of the one that was first; another request does not get it."""
    await shop.stock([a_product("p-1", stock=10)])
    outcomes = await at_once(stock, [a_movement(-4, key="same") for _ in range(20)])
    assert {one.movement.movement_id for one in outcomes} == {outcomes[0].movement.movement_id}
    assert {one.stock_after for one in outcomes} == {6}
    assert sorted(one.replayed for one in outcomes) == [False] + [True] * 19
    assert len({one.at for one in outcomes}) == 1
    (other,) = await at_once(stock, [a_movement(-5, key="same")])
    assert isinstance(other, IdempotencyKeyReusedError)
    assert await shop.rows("SELECT stock, (SELECT count(*) FROM stock_audit) FROM products") == [(6, 1)]


async def test_a_movement_whose_outcome_was_not_learned_is_done_once_when_it_is_sent_again(
    shop: Shop, stock: StockKeeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller is told at once that it is unknown; the repeat, with an id of its own, finds the first."""
    await shop.stock([a_product("p-1", stock=10)])
    add, tries = stock._add, 0

    async def lose_the_first_answer(movement: StockMovement) -> RecordedMovement:
        nonlocal tries
        tries += 1
        done = await add(movement)
        if tries == 1:
            raise StorageUnavailableError("the connection broke right after COMMIT")
        return done

    monkeypatch.setattr(stock, "_add", lose_the_first_answer)
    (unknown,) = await at_once(stock, [a_movement(-4, key="same")])
    assert (type(unknown), tries) == (StorageUnavailableError, 1)
    again = await stock.add_for_caller(a_movement(-4, key="same"))
    assert (again.stock_after, again.replayed) == (6, True)
    assert await shop.rows("SELECT stock, (SELECT count(*) FROM stock_audit) FROM products") == [(6, 1)]


async def test_movements_and_orders_of_one_product_wait_for_each_other_and_lose_nothing(
    shop: Shop, stock: StockKeeping
) -> None:
    """No movement is refused because the product is in demand; an order that finds it held asks again."""
    await shop.stock([a_product("p-1", stock=1000)])

    async def orders() -> None:
        for _ in range(15):
            commands = [a_command(("p-1", 1)) for _ in range(4)]
            while commands:
                outcomes = await shop.facade.create_orders(commands)
                assert {type(one) for one in outcomes} <= {Order, RowHeldError}
                busy = zip(commands, outcomes, strict=True)
                commands = [command for command, one in busy if isinstance(one, RowHeldError)]

    ordering = asyncio.gather(*(orders() for _ in range(3)))
    outcomes = await at_once(stock, [a_movement(-2 if number % 2 else 3) for number in range(20)])
    async with asyncio.timeout(patient(60)):
        await ordering
    assert {type(one) for one in outcomes} == {RecordedMovement}
    assert await shop.rows("SELECT stock FROM products") == [(1000 - 180 + 10,)]


async def test_a_product_that_many_make_at_once_is_new_once(shop: Shop, keeping: CatalogueKeeping) -> None:
    """The others find it as it is; there is one line in the audit."""
    product = a_product("n-1", stock=0)
    outcomes = await asyncio.gather(*(keeping.put_product(product, ANNA, ANY) for _ in range(8)))
    assert sorted(became for became, _ in outcomes) == [Verdict.NEW] + [Verdict.UNCHANGED] * 7
    assert {kept.stock for _, kept in outcomes} == {0}
    assert await shop.rows("SELECT actor, source, kind, subject, before FROM catalogue_audit") == [
        ("anna", "PUT /products", "product", "n-1", None)
    ]


async def test_of_many_who_change_what_they_saw_one_wins(shop: Shop, keeping: CatalogueKeeping) -> None:
    """Whoever else has seen the same is refused; orders that take from the stock do not matter."""
    seen = a_product("p-1", stock=5)
    await shop.stock([seen])
    await shop.place(a_command(("p-1", 2)))
    expected = Precondition(must_exist=True, fingerprints=frozenset({fingerprint(seen)}))
    outcomes = await asyncio.gather(
        *(keeping.put_product(replace(seen, price=price), ANNA, expected) for price in range(6)),
        return_exceptions=True,
    )
    won = [one for one in outcomes if not isinstance(one, CatalogueChangedError)]
    assert [one[0] for one in won if isinstance(one, tuple)] == [Verdict.CHANGED]
    changes = "SELECT before ->> 'price', after ->> 'price', after ->> 'stock' FROM catalogue_audit"
    ((price, stock),) = await shop.rows("SELECT price, stock FROM products")
    assert (stock, await shop.rows(changes)) == (3, [(str(seen.price), str(price), "3")])


async def test_a_coupon_keeps_its_uses_and_its_limit_stays_above_them(
    shop: Shop, keeping: CatalogueKeeping, reader: SqlCatalogueReader
) -> None:
    """A refused change leaves no trace."""
    await shop.stock([a_product("p-1", stock=9)], [a_coupon("A")])
    await shop.facade.create_orders([a_command(coupon="A") for _ in range(2)])
    with pytest.raises(CouponLimitsError) as refused:
        await keeping.put_coupon(a_coupon("A", total_limit=1), ANNA, ANY)
    assert refused.value.facts == {"coupon": "A", "used": 2}
    became, kept = await keeping.put_coupon(a_coupon("A", total_limit=2, value=20), ANNA, ANY)
    assert (became, kept.used) == (Verdict.CHANGED, 2)
    assert await reader.coupon("A") == kept
    assert (await keeping.put_coupon(kept, ANNA, ANY))[0] is Verdict.UNCHANGED
    (change,) = await reader.changes(product_id=None, code="A", limit=9)
    assert (change.editor, change.before and change.before["value"], change.after["value"]) == (ANNA, 10, 20)
    assert change.after["used"] == 2
