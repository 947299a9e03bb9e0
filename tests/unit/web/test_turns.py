"""Turns: strangers one after the other, everybody known at once."""

import asyncio
from typing import Any

import pytest

from kits.web.middleware.turns import TakeTurns, Turns


async def rounds(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_one_of_many_goes_on_in_each_round_in_the_order_of_asking() -> None:
    turns, done = Turns(0.0), []

    async def ask(number: int) -> None:
        await turns.mine()
        done.append(number)

    tasks = [asyncio.create_task(ask(number)) for number in range(5)]
    counts = []
    for _ in range(20):
        before = len(done)
        await rounds(1)
        counts.append(len(done) - before)
    assert done == [0, 1, 2, 3, 4]
    assert max(counts) == 1
    await asyncio.gather(*tasks)


async def test_one_that_gave_up_costs_no_turn() -> None:
    turns = Turns(0.0)
    tasks = [asyncio.create_task(turns.mine()) for _ in range(50)]
    await rounds(1)
    for task in tasks[1:49]:
        task.cancel()
    await rounds(12)
    assert tasks[49].done()


async def test_after_a_crowd_nobody_waits() -> None:
    turns = Turns(0.0)
    await asyncio.gather(*(turns.mine() for _ in range(10)))
    await rounds(5)
    waiting = turns.mine()
    try:
        waiting.send(None)
    except StopIteration:
        return
    raise AssertionError("It waited for nobody.")


async def answered(turns: Turns, status: int, *, known: bool) -> bool:
    """Whether an answer is sent while others wait for a turn."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if known:
            scope["auth"] = object()
        await send({"type": "http.response.start", "status": status, "headers": []})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    crowd = [asyncio.create_task(turns.mine()) for _ in range(5)]
    await rounds(1)
    request = asyncio.create_task(TakeTurns(app, turns)({"type": "http"}, None, send))  # type: ignore[arg-type]
    await rounds(1)
    at_once = bool(sent)
    await asyncio.gather(request, *crowd)
    assert sent
    return at_once


async def test_an_order_never_waits_for_a_turn_and_a_stranger_or_a_refusal_does() -> None:
    turns = Turns(0.0)
    assert await answered(turns, 202, known=True)
    assert not await answered(turns, 200, known=False)
    assert not await answered(turns, 401, known=False)
    assert not await answered(turns, 422, known=True)
    assert await answered(turns, 503, known=True)


async def test_while_somebody_with_a_name_is_served_strangers_wait_longer() -> None:
    """The next turn comes after the interval, which here is longer than the test."""
    turns = Turns(3600.0)
    turns.named = 1
    await turns.mine()
    second = asyncio.create_task(turns.mine())
    await rounds(20)
    assert not second.done()
    second.cancel()


@pytest.mark.parametrize("fails", [False, True])
async def test_a_request_with_a_name_counts_until_its_end(fails: bool) -> None:
    """Also one that fails; one without a token does not count."""
    turns, seen = Turns(0.0), []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(turns.named)
        if fails:
            raise RuntimeError("a bug")

    for headers in ([(b"authorization", b"Bearer x")], []):
        request = TakeTurns(app, turns)({"type": "http", "headers": headers}, None, None)  # type: ignore[arg-type]
        await asyncio.gather(request, return_exceptions=True)
    assert seen == [1, 0]
    assert turns.named == 0
