"""A coupon's code is read in any case: what an older shop has stored, what orders ask for, what files say."""

from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.application.commands import ChangeOrder
from app.persistence.catalogue_work import SqlCatalogueTransactions
from kits.postgres.engine import create_engine
from kits.postgres.migrations import History
from tests.builders import a_command, a_coupon, a_product
from tests.commands import run_command
from tests.earlier_history import EarlierHistory
from tests.fakes import FakePublisher
from tests.integration.app.conftest import Shop, a_shop, moved
from tests.integration.app.test_order_life import change

BEFORE = "2026_11_22_1000"
A_COUPON = "INSERT INTO coupons (code, kind, value) VALUES ($1, 'percent', 10)"
AN_ORDER = """
INSERT INTO orders (id, customer_id, status, version, currency, subtotal, discount, total, coupon_code, lines,
    created_at, expires_at)
VALUES ($1, 'c-1', 'PENDING', 1, 'KRW', 10, 1, 9, $2, '[]', now(), now() + interval '1 hour')
"""
A_USE = "INSERT INTO coupon_uses (order_id, coupon_code, customer_id) VALUES ($1, $2, 'c-1')"
ORDERS = [f"019f8e6a-3d52-7c1e-9b4a-5f0c2d7e8a9{number}" for number in range(4)]


@pytest.fixture
async def older(empty_database_url: str) -> Any:
    """A shop of the build before, with a coupon in small letters that two orders have used."""
    engine = create_engine(empty_database_url, application_name="test")
    await EarlierHistory("app", upto=BEFORE).migrate(engine)
    await engine.dispose()
    connection = await asyncpg.connect(empty_database_url)
    for stored in ("welcome10", "Summer-5", "PLAIN"):
        await connection.execute(A_COUPON, stored)
    for order, code in zip(ORDERS, ("welcome10", "welcome10", "PLAIN", None), strict=True):
        await connection.execute(AN_ORDER, order, code)
        if code:
            await connection.execute(A_USE, order, code)
            await connection.execute("UPDATE coupons SET used = used + 1 WHERE code = $1", code)
    await connection.execute("DELETE FROM coupon_uses WHERE order_id = $1", ORDERS[1])
    await connection.execute("UPDATE coupons SET used = 1 WHERE code = 'welcome10'")
    yield connection
    await connection.close()


async def test_what_was_stored_in_small_letters_is_found_again(
    older: asyncpg.Connection, empty_database_url: str
) -> None:
    """Coupons, their uses and the orders that show them; the next build goes on with them."""
    engine = create_engine(empty_database_url, application_name="test")
    await History("app").migrate(engine)
    assert [row[0] for row in await older.fetch("SELECT code FROM coupons ORDER BY code")] == [
        "PLAIN", "SUMMER-5", "WELCOME10",
    ]  # fmt: skip
    assert [row[0] for row in await older.fetch("SELECT coupon_code FROM orders ORDER BY id")] == [
        "WELCOME10", "WELCOME10", "PLAIN", None,
    ]  # fmt: skip
    query = "SELECT coupon_code FROM coupon_uses ORDER BY order_id"
    assert [row[0] for row in await older.fetch(query)] == ["WELCOME10", "PLAIN"]
    moved(await a_shop(engine, FakePublisher()).life.cancel(ChangeOrder(ORDERS[0], "c-1")))
    assert await older.fetchval("SELECT used FROM coupons WHERE code = 'WELCOME10'") == 0
    await engine.dispose()


async def test_two_codes_that_differ_in_case_only_stop_the_migration_which_names_them_all(
    older: asyncpg.Connection, empty_database_url: str
) -> None:
    """In one sentence; nothing is changed, and after a decision it goes on."""
    for code in ("Welcome10", "WELCOME10", "plain", " PLAIN"):
        await older.execute(A_COUPON, code)
    refused = await run_command("app", "migrate", DATABASE_URL=empty_database_url)
    assert (refused.code, refused.out) == (1, "")
    sentence = refused.err.splitlines()[-1]
    assert "'WELCOME10', 'Welcome10', 'welcome10'" in sentence
    assert "' PLAIN', 'PLAIN', 'plain'" in sentence
    assert "Summer-5" not in sentence
    assert "Traceback" not in refused.err
    assert await older.fetchval("SELECT count(*) FROM coupons WHERE code <> upper(code)") == 4
    await older.execute("DELETE FROM coupons WHERE code IN ('Welcome10', 'WELCOME10', 'plain', ' PLAIN')")
    assert (await run_command("app", "migrate", DATABASE_URL=empty_database_url)).code == 0


@pytest.mark.parametrize("code", ["once", " ONCE", "Once\t"])
async def test_the_table_takes_no_other_spelling(engine: AsyncEngine, code: str) -> None:
    """The last net: what came in by another way could never be found."""
    with pytest.raises(IntegrityError, match="ck_coupons_code"):
        async with engine.begin() as connection:
            await connection.execute(
                text("INSERT INTO coupons (code, kind, value) VALUES (:code, 'percent', 10)"), {"code": code}
            )


async def test_however_the_shop_spells_a_coupon_it_is_one(shop: Shop) -> None:
    """By seed or import; used, limited and given back under one name."""
    await shop.stock([a_product()], [a_coupon(" once ", total_limit=1)])
    async with SqlCatalogueTransactions(shop.engine)() as work:
        await work.put_coupons([a_coupon("Once", total_limit=1, value=20)])
    order = await shop.place(a_command(coupon="ONCE"))
    assert order.coupon_code == "ONCE"
    moved(await shop.life.cancel(change(order)))
    assert await shop.rows("SELECT code, value, used FROM coupons") == [("ONCE", 20, 0)]
