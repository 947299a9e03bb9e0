"""The second listener: probes and metrics, and nothing of the shop."""

import asyncio

import pytest

from tests.integration.api.conftest import Shop
from tests.integration.api.raw import exchange, message

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_probes_and_metrics_are_on_the_operators_port_alone(shop: Shop, path: str) -> None:
    assert (await exchange(shop.ops_port, message("GET", path))).status == 200
    assert (await exchange(shop.port, message("GET", path))).problem()["code"] == "not_found"


@pytest.mark.parametrize("path", ["/docs", "/products", "/orders"])
async def test_the_shop_is_not_on_it(shop: Shop, path: str) -> None:
    assert (await exchange(shop.ops_port, message("GET", path))).problem()["code"] == "not_found"


async def test_the_metrics_are_rendered_once_a_second_for_everybody(shop: Shop) -> None:
    asked = (exchange(shop.ops_port, message("GET", "/metrics")) for _ in range(30))
    pages = await asyncio.gather(*asked)
    assert {page.status for page in pages} == {200}
    # Each rendering has another processor time; a slow machine may need more than a second for all.
    assert len({page.body for page in pages}) < 10


async def test_a_crowd_that_asks_for_metrics_leaves_no_order_unanswered(shop: Shop) -> None:
    done = asyncio.Event()

    async def crowd() -> None:
        while not done.is_set():
            assert (await exchange(shop.ops_port, message("GET", "/metrics"))).status == 200

    crowds = [asyncio.create_task(crowd()) for _ in range(40)]
    body = b'{"items":[{"productId":"p-1","quantity":1}]}'
    assert [(await shop.order(body)).status for _ in range(10)] == [202] * 10
    done.set()
    await asyncio.gather(*crowds)
