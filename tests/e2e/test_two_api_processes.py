"""Two API processes on one database: every rule holds as if there were one, also when one of them dies."""

import asyncio
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from chaos.evidence import collect
from chaos.findings import Evidence
from devservices.kafka import KafkaServer
from devservices.ports import choose_free
from kits.web.tokens.verifier import issue_token
from tests.e2e.pipeline import Pipeline
from tests.waiting import eventually, patient

SCARCE = {"p-1": 40, "p-2": 40, "p-3": 40}
STOCK = SCARCE | {"p-4": 100_000}
COUPON_LIMIT = 7
CATALOGUE = [
    *({"type": "product", "id": one, "name": one, "price": 1000, "currency": "KRW", "stock": stock}
      for one, stock in STOCK.items()),
    {"type": "coupon", "code": "FEW", "kind": "percent", "value": 10,
     "totalLimit": COUPON_LIMIT, "customerLimit": 1},
]  # fmt: skip


@dataclass
class TwoApis(Pipeline):
    """The pipeline with a second API process beside the first."""

    second_ports: list[int] = field(default_factory=lambda: choose_free(2))
    answers_by_status: Counter[int] = field(default_factory=Counter)
    orders_by_key: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    @property
    def urls(self) -> list[str]:
        return [self.api_url, f"http://127.0.0.1:{self.second_ports[0]}"]

    async def start_both(self) -> None:
        """The same build and settings, other ports."""
        await self.start_api()
        port, ops_port = self.second_ports
        self.more["api-2"] = {"API_PORT": str(port), "OPS_PORT": str(ops_port)}
        second = self.start("api-2", "app")
        await self.answers(f"http://127.0.0.1:{ops_port}/readyz", second)

    async def place(
        self, session: aiohttp.ClientSession, url: str, customer: str, body: Any, *, key: str = ""
    ) -> None:
        """One order; what becomes of it is counted."""
        token = issue_token(self.secret, customer, issuer="order-pipeline", audience="orders")
        headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
        try:
            async with session.post(f"{url}/orders", json=body, headers=headers) as answer:
                self.answers_by_status[answer.status] += 1
                if answer.status == 202:
                    order_id = str((await answer.json())["orderId"])
                    self.accepted.add(order_id)
                    self.orders_by_key[key].add(order_id)
        except aiohttp.ClientError:
            self.answers_by_status[0] += 1

    async def evidence(self) -> Evidence:
        """All that is left."""
        return await collect(
            database_url=self.database_url,
            kafka_bootstrap_servers=self.kafka.bootstrap_servers,
            data_platform_url=self.platform_url,
            accepted=self.accepted,
            initial_stock=STOCK,
        )

    async def lag_is_shown_by_one(self) -> bool:
        """Of both processes one shows the group: a member, and nothing that waits."""
        page = ""
        async with aiohttp.ClientSession() as session:
            for port in (self.ports[3], self.second_ports[1]):
                async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                    page += await answer.text()
        nothing_waits = r"^kafka_consumer_lag_(?:records|seconds){[^}]*} 0\.0$"
        return (
            page.count('kafka_consumer_group_members{group="data-platform"} 1.0') == 1
            and page.count('kafka_consumer_lag_records{group="data-platform"') == 3
            and len(re.findall(nothing_waits, page, re.MULTILINE)) == 6
        )

    async def stop(self) -> None:
        """End the second process too."""
        if "api-2" in self.processes:
            self.processes["api-2"].kill()
        await super().stop()


@pytest.fixture
async def apis(tmp_path: Path, database_url: str, broker: KafkaServer) -> AsyncIterator[TwoApis]:
    """A scarce shop, open at two doors, with everything behind it."""
    pipeline = TwoApis(tmp_path, database_url, broker)
    catalogue = tmp_path / "catalogue.jsonl"
    catalogue.write_text("\n".join(json.dumps(line) for line in CATALOGUE))
    try:
        await pipeline.run("app", "catalogue", "import", str(catalogue))
        await pipeline.start_platform()
        await pipeline.start_both()
        pipeline.start_worker()
        yield pipeline
    finally:
        await pipeline.stop()


def scarce_order(rng: random.Random) -> Any:
    """One to three scarce products in any order, sometimes with the coupon."""
    products = rng.sample(sorted(SCARCE), rng.randint(1, 3))
    body: dict[str, Any] = {"items": [{"productId": one, "quantity": rng.randint(1, 2)} for one in products]}
    return body | ({"couponCode": "FEW"} if rng.random() < 0.4 else {})


async def test_one_key_at_two_processes_at_once_is_one_order(apis: TwoApis) -> None:
    """Every answer is the same order, or a conflict that says that it is being placed; one key 50 times."""
    body = {"items": [{"productId": "p-4", "quantity": 1}]}
    keys = [f"key-{number}" for number in range(20)]
    asked = [(key, url) for key in keys for url in apis.urls * (25 if key == "key-0" else 3)]
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=patient(120))) as session:
        await asyncio.gather(*(apis.place(session, url, "c-1", body, key=key) for key, url in asked))
    assert set(apis.answers_by_status) <= {202, 409}, apis.answers_by_status
    assert {key: len(orders) for key, orders in apis.orders_by_key.items()} == dict.fromkeys(keys, 1)
    connection = await asyncpg.connect(apis.database_url)
    stock = await connection.fetchval("SELECT stock FROM products WHERE id = 'p-4'")
    await connection.close()
    assert stock == STOCK["p-4"] - len(keys)
    await apis.everything_arrived()
    await eventually(apis.lag_is_shown_by_one, poll_seconds=0.5)
    await apis.promises_are_kept()


async def test_two_processes_sell_the_same_scarce_stock_and_one_of_them_dies(apis: TwoApis) -> None:
    """Nothing is sold twice, no coupon used too often, no event lost, none in the wrong order."""
    seed = random.randrange(2**32)  # noqa: S311
    print(f"seed {seed}")  # noqa: T201
    rng = random.Random(seed)  # noqa: S311
    connector = aiohttp.TCPConnector(limit=64)
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=patient(120)), connector=connector
    ) as session:
        wanted = [(apis.urls[number % 2], f"c-{number % 50}", scarce_order(rng)) for number in range(240)]
        await asyncio.gather(*(apis.place(session, *order) for order in wanted))
        assert set(apis.answers_by_status) == {202, 409}, apis.answers_by_status
        connection = await asyncpg.connect(apis.database_url)
        left = await connection.fetchval("SELECT min(stock) FROM products WHERE id <> 'p-4'")
        used = await connection.fetchval("SELECT used FROM coupons WHERE code = 'FEW'")
        most = await connection.fetchval(
            "SELECT max(count) FROM (SELECT count(*) FROM coupon_uses GROUP BY customer_id) AS uses"
        )
        deadlocks = await connection.fetchval(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
        await connection.close()
        assert (left in {0, 1}, used, most, deadlocks) == (True, COUPON_LIMIT, 1, 0)

        plenty = {"items": [{"productId": "p-4", "quantity": 1}]}
        dying = [
            asyncio.create_task(apis.place(session, apis.urls[number % 2], "c-1", plenty))
            for number in range(100)
        ]
        await asyncio.wait(dying, return_when=asyncio.FIRST_COMPLETED)
        apis.kill("api-2")
        await asyncio.gather(*dying)
    await apis.everything_arrived()
    await apis.promises_are_kept()
