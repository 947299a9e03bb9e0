"""Quotes on a real database: they agree with the check-out, wait for nobody and leave no trace."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from app.application.checkout import Quote
from app.application.commands import CreateOrder
from app.application.order_quotes import OrderQuotes
from app.domain.errors import OrderError, UnknownProductError
from app.persistence.offers import SqlOfferReader
from tests.builders import a_command, a_coupon, a_product
from tests.integration.app.conftest import Shop

ONCE = a_coupon("ONCE", customer_limit=1)


async def quoted(shop: Shop, command: CreateOrder, *, max_open_orders: int = 0) -> Quote:
    """What the shop says."""
    quotes = OrderQuotes(
        SqlOfferReader(shop.engine), time_to_live=timedelta(minutes=15), max_open_orders=max_open_orders
    )
    return await quotes.quote(command)


async def test_a_quote_has_the_amounts_of_the_order_that_follows_and_changes_nothing(shop: Shop) -> None:
    await shop.stock([a_product("p-1", stock=5), a_product("p-2", price=7, stock=5)], [a_coupon(), ONCE])
    command = a_command(("p-2", 3), ("p-1", 2), coupon="WELCOME10")
    everything = (
        "SELECT (SELECT sum(stock) FROM products), (SELECT sum(used) FROM coupons), "
        "(SELECT count(*) FROM orders), (SELECT count(*) FROM outbox_event), "
        "(SELECT count(*) FROM idempotency_keys)"
    )
    before = await shop.rows(everything)
    quote = await quoted(shop, command)
    assert await shop.rows(everything) == before
    order = await shop.place(command)
    assert quote.refusals == ()
    assert (quote.order.lines, quote.order.subtotal, quote.order.discount, quote.order.total) == (
        order.lines,
        order.subtotal,
        order.discount,
        order.total,
    )
    assert quote.stock == {"p-1": 5, "p-2": 5}


async def test_a_quote_counts_a_customers_uses_and_unpaid_orders_as_the_order_does(shop: Shop) -> None:
    """Each for their own; the refusals are those of the order, word for word."""
    await shop.stock([a_product(stock=3)], [ONCE])
    await shop.place(a_command(coupon="ONCE"))
    command = a_command(("p-1", 3), coupon="ONCE")
    limited = await quoted(shop, command, max_open_orders=1)
    codes = [refusal.code for refusal in limited.refusals]
    assert codes == ["too_many_open_orders", "out_of_stock", "coupon_exhausted"]
    other = await quoted(shop, a_command(coupon="ONCE", customer="c-2"), max_open_orders=1)
    assert (other.refusals, other.order.discount) == ((), 1_500)
    for single in (a_command(("p-1", 3)), a_command(coupon="ONCE"), a_command(coupon="NOPE")):
        (refusal,) = (await quoted(shop, single)).refusals
        with pytest.raises(OrderError) as refused:
            await shop.place(single)
        assert (refused.value.code, str(refused.value)) == (refusal.code, str(refusal))


async def test_a_quote_of_what_the_shop_does_not_sell_is_refused(shop: Shop) -> None:
    await shop.stock([a_product()])
    with pytest.raises(UnknownProductError):
        await quoted(shop, a_command(("p-1", 1), ("p-9", 1)))


async def test_a_quote_waits_for_no_lock(shop: Shop) -> None:
    """Rows and whole tables are held against all who would write or lock; what was committed counts."""
    await shop.stock([a_product(stock=5)], [a_coupon()])
    async with shop.engine.connect() as holder:
        await holder.execute(text("SELECT 1 FROM products FOR UPDATE"))
        await holder.execute(text("UPDATE products SET stock = 0"))
        await holder.execute(text("UPDATE coupons SET used = 1"))
        await holder.execute(text("LOCK products, coupons, coupon_uses, orders IN EXCLUSIVE MODE"))
        quote = await quoted(shop, a_command(("p-1", 2), coupon="WELCOME10"), max_open_orders=5)
    assert (quote.refusals, quote.stock, quote.order.total) == ((), {"p-1": 5}, 27_000)


async def test_the_connection_of_a_quote_can_write_again_for_others(shop: Shop) -> None:
    """It is lent read-only, and comes back as it was."""
    await shop.stock([a_product(stock=5)])
    for _ in range(2):
        await quoted(shop, a_command())
        assert await shop.rows("SELECT current_setting('transaction_read_only')") == [("off",)]
        await shop.place(a_command())
