"""The catalogue and the stock, changed on a real database beside running orders."""

import asyncio
import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from uuid_utils.compat import uuid7

from app.application.batch_attempts import Outcome
from app.application.catalogue_changes import Verdict
from app.application.catalogue_errors import CouponLimitsError, StockRefusedError
from app.application.catalogue_import import CatalogueImport, ImportRequest
from app.application.catalogue_ports import RecordedMovement, StockMovement
from app.application.errors import ProductNotFoundError, StorageUnavailableError
from app.application.stock_keeping import StockKeeping
from app.domain.coupon import Coupon
from app.domain.errors import OutOfStockError
from app.domain.order import Order
from app.domain.product import Product
from app.persistence.catalogue_work import SqlCatalogueTransactions
from tests.builders import a_command, a_coupon, a_product
from tests.integration.app.conftest import Shop
from tests.waiting import patient

NEW, CHANGED, UNCHANGED = Verdict.NEW, Verdict.CHANGED, Verdict.UNCHANGED


def a_movement(product: str, delta: int) -> StockMovement:
    return StockMovement(str(uuid7()), product, delta, actor="anna", reason="counted")


def a_request(products: list[Product], coupons: list[Coupon] | None = None, **values: bool) -> ImportRequest:
    return ImportRequest(products, coupons or [], actor="anna", source="autumn.jsonl", **values)


@pytest.fixture
def catalogue(shop: Shop) -> CatalogueImport:
    """The import into the test's shop."""
    return CatalogueImport(SqlCatalogueTransactions(shop.engine), lambda: str(uuid7()))


@pytest.fixture
def stock(shop: Shop) -> StockKeeping:
    """The stock keeping of the test's shop."""
    return StockKeeping(SqlCatalogueTransactions(shop.engine))


async def test_an_import_adds_changes_and_leaves_what_is_the_same(
    shop: Shop, catalogue: CatalogueImport
) -> None:
    """Repeated, it changes nothing and writes no audit."""
    first = [a_product("p-1"), a_product("p-2"), a_product("p-3")]
    until = datetime(2027, 1, 1, 12, 30, tzinfo=UTC)
    coupons = [a_coupon("A"), a_coupon("B", valid_until=until, total_limit=5)]
    tally = await catalogue.run(a_request(first, coupons))
    assert (tally.products, tally.coupons) == ({NEW: 3}, {NEW: 2})
    second = [first[0], replace(first[1], price=7, name="Renamed"), a_product("p-4")]
    for expected in ({UNCHANGED: 1, CHANGED: 1, NEW: 1}, {UNCHANGED: 3}):
        tally = await catalogue.run(a_request(second, coupons))
        assert (tally.products, tally.coupons) == (expected, {UNCHANGED: 2})
    assert await shop.rows("SELECT name, price FROM products WHERE id = 'p-2'") == [("Renamed", 7)]
    assert await shop.rows("SELECT count(*) FROM products") == [(4,)]
    changes = "SELECT subject, before ->> 'price', after ->> 'price', actor, source FROM catalogue_audit"
    assert await shop.rows(f"{changes} WHERE before IS NOT NULL") == [
        ("p-2", str(first[1].price), "7", "anna", "autumn.jsonl")
    ]
    assert await shop.rows("SELECT count(*) FROM catalogue_audit") == [(7,)]


async def test_an_import_gives_and_takes_the_seller(shop: Shop, catalogue: CatalogueImport) -> None:
    """The audit says whose it was; stock stays, and an order takes from it as before."""
    sold = replace(a_product("p-1", stock=3), seller_id="m-1")
    seller = "SELECT before ->> 'seller_id', after ->> 'seller_id' FROM catalogue_audit ORDER BY at"
    for product, verdict in ((sold, NEW), (sold, UNCHANGED), (replace(sold, seller_id=None), CHANGED)):
        assert (await catalogue.run(a_request([product]))).products == {verdict: 1}
        await shop.place(a_command(("p-1", 1)))
        assert await shop.rows("SELECT seller_id FROM products") == [(product.seller_id,)]
    assert await shop.rows(seller) == [(None, "m-1"), ("m-1", None)]
    assert await shop.rows("SELECT stock FROM products") == [(0,)]


async def test_an_import_opens_the_stock_of_new_products_and_keeps_that_of_others(
    shop: Shop, catalogue: CatalogueImport
) -> None:
    """Setting a number would undo what running orders take."""
    await shop.stock([a_product("p-1", stock=3)])
    await catalogue.run(a_request([a_product("p-1", stock=500, price=1), a_product("p-2", stock=9)]))
    assert await shop.rows("SELECT id, stock, price FROM products ORDER BY id") == [
        ("p-1", 3, 1),
        ("p-2", 9, a_product().price),
    ]
    assert await shop.rows("SELECT product_id, delta, stock_after, reason FROM stock_audit") == [
        ("p-2", 9, 9, "opening stock, imported from autumn.jsonl")
    ]


async def test_a_dry_run_tells_the_same_and_writes_nothing(shop: Shop, catalogue: CatalogueImport) -> None:
    """Not even an audit."""
    request = a_request([a_product("p-1"), a_product("p-2")], [a_coupon()], dry_run=True)
    tally = await catalogue.run(request)
    assert (tally.products, tally.coupons) == ({NEW: 2}, {NEW: 1})
    for query in ("products", "coupons", "catalogue_audit"):
        assert await shop.rows(f"SELECT count(*) FROM {query}") == [(0,)]  # noqa: S608 - three fixed names
    assert (await catalogue.run(replace(request, dry_run=False))).products == tally.products


async def test_a_coupon_keeps_its_uses_and_cannot_be_limited_below_them(
    shop: Shop, catalogue: CatalogueImport
) -> None:
    """All such coupons are told at once, and nothing of the file is written."""
    await shop.stock([a_product(stock=9)], [a_coupon("A"), a_coupon("B")])
    await shop.facade.create_orders([a_command(coupon=code) for code in ("A", "A", "B", "B")])
    with pytest.raises(CouponLimitsError) as refused:
        await catalogue.run(
            a_request([a_product("p-9")], [a_coupon("A", total_limit=1), a_coupon("B", total_limit=1)])
        )
    assert refused.value.codes == {"A": 2, "B": 2}
    assert await shop.rows("SELECT count(*) FROM products") == [(1,)]
    await catalogue.run(a_request([], [a_coupon("A", total_limit=2)]))
    assert await shop.rows("SELECT used, total_limit FROM coupons WHERE code = 'A'") == [(2, 2)]


async def test_an_import_larger_than_a_batch_arrives_whole(shop: Shop, catalogue: CatalogueImport) -> None:
    """Twice, in two orders."""
    products = [a_product(f"p-{number}") for number in range(1201)]
    assert (await catalogue.run(a_request(products))).products == {NEW: 1201}
    assert (await catalogue.run(a_request(products[::-1]))).products == {UNCHANGED: 1201}
    assert await shop.rows("SELECT count(*) FROM products") == [(1201,)]


async def test_stock_is_added_and_taken_away_with_an_audit(shop: Shop, stock: StockKeeping) -> None:
    """Who, what, how many, why."""
    await shop.stock([a_product("p-1", stock=3)])
    assert (await stock.add(a_movement("p-1", 4))).stock_after == 7
    assert (await stock.add(a_movement("p-1", -7))).stock_after == 0
    assert await shop.rows("SELECT actor, delta, stock_after, reason FROM stock_audit ORDER BY at") == [
        ("anna", 4, 7, "counted"),
        ("anna", -7, 0, "counted"),
    ]


@pytest.mark.parametrize("delta", [-4, 2_000_000_000])
async def test_stock_outside_of_its_bounds_is_refused_and_leaves_no_trace(
    shop: Shop, stock: StockKeeping, delta: int
) -> None:
    """Below zero, or more than the column holds."""
    await shop.stock([a_product("p-1", stock=3)])
    with pytest.raises(StockRefusedError, match="p-1 has 3 pieces"):
        await stock.add(a_movement("p-1", delta))
    with pytest.raises(ProductNotFoundError):
        await stock.add(a_movement("p-9", 1))
    assert await shop.rows("SELECT stock, (SELECT count(*) FROM stock_audit) FROM products") == [(3, 0)]


async def test_a_movement_whose_commit_was_lost_on_the_way_back_is_done_once(
    shop: Shop, stock: StockKeeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first attempt committed and its answer did not arrive: the second finds it in the audit."""
    await shop.stock([a_product("p-1", stock=3)])
    add, tries = stock._add, 0

    async def lose_the_first_answer(movement: StockMovement) -> RecordedMovement:
        nonlocal tries
        tries += 1
        done = await add(movement)
        if tries == 1:
            raise StorageUnavailableError("the connection broke right after COMMIT")
        return done

    monkeypatch.setattr(stock, "_add", lose_the_first_answer)
    assert ((await stock.add(a_movement("p-1", 5))).stock_after, tries) == (8, 2)
    assert await shop.rows("SELECT stock, (SELECT count(*) FROM stock_audit) FROM products") == [(8, 1)]


async def test_beside_running_orders_no_piece_is_lost_and_nobody_waits_for_ever(
    shop: Shop, catalogue: CatalogueImport, stock: StockKeeping
) -> None:
    """Orders over three products in random order, imports and movements over the same ones, all at once."""
    seed = random.randrange(2**32)  # noqa: S311
    print(f"seed {seed}")  # noqa: T201
    rng = random.Random(seed)  # noqa: S311
    ids = [f"p-{number}" for number in range(8)]
    await shop.stock([a_product(one, stock=40) for one in ids], [a_coupon("A")])

    async def orders() -> list[Outcome]:
        done: list[Outcome] = []
        for _ in range(30):
            items = [(one, rng.randint(1, 3)) for one in rng.sample(ids, 3)]
            (outcome,) = await shop.facade.create_orders([a_command(*items, coupon=rng.choice(["A", None]))])
            done.append(outcome)
        return done

    async def imports(price: int) -> None:
        for number in range(6):
            products = [a_product(one, price=price + number) for one in rng.sample(ids, 5)]
            await catalogue.run(
                a_request([*products, a_product(f"n-{price}-{number}")], [a_coupon("A", value=5 + number)])
            )

    async def movements() -> int:
        moved = 0
        for _ in range(20):
            movement = a_movement(rng.choice(ids), rng.choice([-5, 10]))
            try:
                await stock.add(movement)
                moved += movement.delta
            except StockRefusedError:
                pass
        return moved

    async with asyncio.timeout(patient(120)):
        ordered, moved, _ = await asyncio.gather(
            asyncio.gather(*(orders() for _ in range(6))),
            asyncio.gather(*(movements() for _ in range(2))),
            asyncio.gather(imports(100), imports(200)),
        )
    outcomes = [outcome for some in ordered for outcome in some]
    assert all(isinstance(outcome, Order | OutOfStockError) for outcome in outcomes), outcomes
    sold = sum(line.quantity for outcome in outcomes if isinstance(outcome, Order) for line in outcome.lines)
    ((left, least),) = await shop.rows("SELECT sum(stock), min(stock) FROM products WHERE id LIKE 'p-%'")
    assert left + sold == 40 * len(ids) + sum(moved)
    assert least >= 0
    uses = "SELECT used, (SELECT count(*) FROM coupon_uses) FROM coupons"
    assert len({tuple(row) for row in await shop.rows(uses)}) == 1
    ((used, recorded),) = await shop.rows(uses)
    assert used == recorded
    ((audited,),) = await shop.rows("SELECT sum(delta) FROM stock_audit WHERE product_id LIKE 'p-%'")
    assert audited == sum(moved)
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert await shop.rows(deadlocks) == [(0,)]
