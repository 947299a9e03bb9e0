"""A shopper of a campaign, at the doors of a shop that answers what the test says."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from chaos.client_record import ClientRecord
from chaos.shopper import Shopper
from tests.waiting import patient

LOST = 0


@dataclass
class FakeShop:
    """Answers with the next of `answers`; LOST: takes the order and breaks the connection."""

    answers: list[tuple[int, str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    payments: list[tuple[str, Any]] = field(default_factory=list)
    url: str = ""

    async def place(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers["Idempotency-Key"])
        status, code = self.answers.pop(0) if self.answers else (202, "")
        if status == LOST and request.transport is not None:
            request.transport.abort()
        answer = {"orderId": "o-1", "code": code, "total": 5, "currency": "KRW"}
        return web.json_response(answer, status=status or 500)

    async def move(self, request: web.Request) -> web.Response:
        self.steps.append(request.match_info["step"])
        if self.steps[-1] == "payment":
            self.payments.append((request.headers["Authorization"], await request.json()))
        status = {"payment": "PAID", "fulfilment": "FULFILLED", "cancellation": "CANCELLED"}
        return web.json_response({"status": status[self.steps[-1]]})


@pytest.fixture
async def shop() -> AsyncIterator[FakeShop]:
    """Listening."""
    fake = FakeShop()
    app = web.Application()
    app.add_routes([web.post("/orders", fake.place), web.post("/orders/o-1/{step}", fake.move)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield fake
    await runner.cleanup()


async def visit(shop: FakeShop, *, seed: int = 4) -> ClientRecord:
    """One shopper, without time to think."""
    record = ClientRecord()
    async with aiohttp.ClientSession() as session:
        shopper = Shopper(
            session,
            lambda: [shop.url],
            "token",
            record,
            seed,
            pay_token="payer",
            thinking_seconds=(0.0, 0.0),
        )
        await asyncio.wait_for(shopper.shop("k-1"), patient(60))
    return record


async def test_no_answer_a_full_house_and_a_running_request_are_asked_again_with_the_same_key(
    shop: FakeShop,
) -> None:
    """Whoever would take another key would order twice."""
    shop.answers = [(LOST, ""), (503, "storage_unavailable"), (409, "idempotency_key_in_use")]
    record = await visit(shop)
    assert shop.keys == ["k-1"] * 4
    assert record.accepted == {"o-1"}
    assert record.keys == {"k-1": {"o-1"}}
    assert record.answers["lost"] == 1
    assert record.answers["503 storage_unavailable"] == 1


async def test_a_refusal_is_an_answer(shop: FakeShop) -> None:
    """The key was sent, and has no order."""
    shop.answers = [(409, "out_of_stock")]
    record = await visit(shop)
    assert (shop.keys, record.accepted, record.keys) == (["k-1"], set(), {"k-1": set()})


async def test_each_step_of_a_life_is_asked_for_and_what_was_told_is_kept(shop: FakeShop) -> None:
    """The last status told is what the order must have, or what may come after it."""
    told = {(await visit(shop, seed=seed)).statuses["o-1"] for seed in range(24)}
    assert told == {"PENDING", "PAID", "FULFILLED", "CANCELLED"}
    assert set(shop.steps) == {"payment", "fulfilment", "cancellation"}
    assert {authorization for authorization, _ in shop.payments} == {"Bearer payer"}
    bodies = [body for _, body in shop.payments]
    assert {"reference": "o-1-0", "amount": 5, "currency": "KRW"} in bodies


async def test_what_a_payments_provider_was_told_is_kept(shop: FakeShop) -> None:
    """By the payment's own name."""
    told: dict[str, bool] = {}
    for seed in range(12):
        told |= (await visit(shop, seed=seed)).payments
    assert {reference for reference, accepted in told.items() if accepted} == set(told)
    assert "o-1-0" in told
