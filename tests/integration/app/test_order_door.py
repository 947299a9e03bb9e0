"""The shop's door over Kafka: an order placed by another service, by an operator, and by nobody."""

import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from contracts.order_patterns import CREATE_ORDER, PlaceOrder, WantedItem
from kits.observability.metrics import Metrics
from kits.rpc.client import RpcClient
from kits.rpc.errors import RpcError
from kits.rpc.metrics import CallMetrics
from kits.rpc.over_kafka import rpc_client, rpc_producer
from tests.commands import run_command
from tests.integration.api_process import api_process, run_app
from tests.rpc_services import brokers_of, started

LONG = 40.0


def an_order(customer: str = "c-1", *, product: str = "p-1", quantity: int = 1, **more: str) -> PlaceOrder:
    item = WantedItem(product_id=product, quantity=quantity)
    return PlaceOrder(customer_id=customer, items=[item], **more)


@pytest.fixture
async def client(database_url: str, kafka_servers: str, tmp_path: Path) -> AsyncIterator[RpcClient]:
    """Another service, beside a shop whose door is open."""
    await run_app(database_url, "seed", "--products", "3", "--stock", "5")
    brokers = brokers_of(kafka_servers, f"neighbour-{uuid.uuid4().hex[:8]}")
    producer = rpc_producer(brokers)
    asking = rpc_client(brokers, producer, CallMetrics(Metrics()))
    shop = api_process(tmp_path, database_url, KAFKA_BOOTSTRAP_SERVERS=kafka_servers, ORDERS_RPC="true")
    async with shop, started(producer, asking):
        yield asking


async def test_orders_are_placed_and_refused_over_kafka_as_over_http(
    client: RpcClient, database_url: str, kafka_servers: str
) -> None:
    """The same rules and codes; the same key is one order; an operator asks by a command."""
    placed = await client.send(CREATE_ORDER, an_order(quantity=2, client_reference="r-1"), timeout=LONG)
    assert placed.client_reference == "r-1"
    connection = await asyncpg.connect(database_url)
    try:
        owner = "SELECT customer_id FROM orders WHERE id = $1"
        assert await connection.fetchval(owner, placed.order_id) == "c-1"
        keyed = an_order("c-2", idempotency_key="k-1")
        first, again = [await client.send(CREATE_ORDER, keyed, timeout=LONG) for _ in range(2)]
        assert first.order_id == again.order_id
        for wrong, status, code in (
            (an_order(product="unknown"), 422, "unknown_product"),
            (an_order(quantity=900), 409, "out_of_stock"),
            (an_order("c-2", quantity=2, idempotency_key="k-1"), 422, "idempotency_key_reused"),
            (an_order(coupon_code="NONE"), 422, "coupon_not_found"),
            (an_order(client_reference="r-1"), 409, "client_reference_used"),
            (an_order(client_reference="r 1"), 422, "unreadable_request"),
        ):
            with pytest.raises(RpcError) as refused:
                await client.send(CREATE_ORDER, wrong, timeout=LONG)
            assert (refused.value.status, refused.value.code) == (status, code)
        with pytest.raises(RpcError) as unreadable:
            await client.ask(
                CREATE_ORDER.topic, b'{"customerId":"c-1","items":[{"productId":"p-1","quantity":0}]}'
            )
        assert (unreadable.value.status, unreadable.value.path) == (422, "$.items[0].quantity")
        body = '{"customerId":"c-3","items":[{"productId":"p-2","quantity":1}]}'
        asked = ("rpc", "ask", "orders.create", body, "--timeout", "40")
        done = await run_command("app", *asked, KAFKA_BOOTSTRAP_SERVERS=kafka_servers)
        assert done.code == 0, done.err
        assert json.loads(done.out)["total"] > 0
        assert await connection.fetchval("SELECT count(*) FROM orders") == 3
    finally:
        await connection.close()


async def test_an_operators_mistakes_are_one_sentence_each(kafka_servers: str) -> None:
    """A topic that is none, a time that is none, Kafka away, a refusal."""
    ask = ("rpc", "ask")
    for words, servers, code, sentence in (
        (("no topic",), kafka_servers, 2, "cannot be a topic"),
        (("orders.create", "--timeout", "0"), kafka_servers, 2, "--timeout"),
        (("orders.create", "--timeout", "0.2"), "127.0.0.1:1", 1, "was not sent"),
    ):
        done = await run_command("app", *ask, *words, KAFKA_BOOTSTRAP_SERVERS=servers)
        assert (done.code, done.out) == (code, "")
        assert sentence in done.err
        assert "Traceback" not in done.err
