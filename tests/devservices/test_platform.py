"""The reference data platform's HTTP contract, and each fault switch."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from devservices.data_platform.server import PlatformOptions, listening_port, start
from devservices.instance import ROOT
from tests.waiting import patient

TOKEN = "a-token"


class Caller:
    """A client of one receiver."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def single(self, order_id: str, seq: int, **headers: str) -> int:
        event = wire_event(order_id, seq)
        labels = {"Idempotency-Key": event["eventId"], "X-Order-Id": order_id, "X-Order-Seq": str(seq)}
        async with self.session.post("/order-events", json=event, headers={**labels, **headers}) as answer:
            await answer.read()
            return answer.status

    async def batch(self, *orders: str, seq: int = 1) -> Any:
        entries = [entry(order_id, seq) for order_id in orders]
        async with self.session.post("/order-events/batch", json={"events": entries}) as answer:
            body = await answer.json()
            return [result["status"] for result in body["results"]] if answer.status == 200 else answer.status

    async def received(self, **query: str) -> Any:
        async with self.session.get("/received", params=query) as answer:
            return await answer.json()

    async def faults(self, **switches: Any) -> int:
        async with self.session.post("/faults", json=switches) as answer:
            await answer.read()
            return answer.status


def wire_event(order_id: str, seq: int) -> dict[str, Any]:
    return {"eventId": f"{order_id}-{seq}", "orderId": order_id, "seq": seq, "eventType": "order.created"}


def entry(order_id: str, seq: int) -> dict[str, Any]:
    event = wire_event(order_id, seq)
    return {"eventId": event["eventId"], "orderId": order_id, "seq": seq, "event": event}


@pytest.fixture
async def platform() -> AsyncIterator[Caller]:
    """A receiver without a token, and a client of it."""
    runner = await start(PlatformOptions(port=0))
    async with aiohttp.ClientSession(f"http://127.0.0.1:{listening_port(runner)}") as session:
        yield Caller(session)
    await runner.cleanup()


async def test_an_event_is_accepted_once_and_its_repeat_is_known(platform: Caller) -> None:
    assert await platform.single("o-1", 1, traceparent="00-ab-cd-01") == 202
    assert await platform.single("o-1", 1) == 409
    summary = await platform.received()
    assert (summary["count"], summary["orders"], summary["duplicates"]) == (2, 1, 1)
    first, repeat = (await platform.received(orderId="o-1"))["arrivals"]
    assert (first["first"], repeat["first"]) == (True, False)
    assert first["event"] == wire_event("o-1", 1)
    assert first["traceparent"] == "00-ab-cd-01"


async def test_a_known_key_can_be_answered_as_success() -> None:
    runner = await start(PlatformOptions(port=0, known_key_status=200))
    async with aiohttp.ClientSession(f"http://127.0.0.1:{listening_port(runner)}") as session:
        caller = Caller(session)
        assert [await caller.single("o-1", 1), await caller.single("o-1", 1)] == [202, 200]
    await runner.cleanup()


async def test_a_batch_judges_each_event(platform: Caller) -> None:
    await platform.single("o-2", 1)
    await platform.faults(reject={"orderIds": ["o-3"]})
    assert await platform.batch("o-1", "o-2", "o-3") == ["accepted", "duplicate", "rejected"]
    summary = await platform.received()
    assert summary["count"] == 3
    assert summary["refused"] == {"rejected": 1}


async def test_arrivals_are_paged_and_forgotten_on_request(platform: Caller) -> None:
    for seq in (1, 2, 3):
        await platform.single("o-1", seq)
    page = await platform.received(after="0", limit="2")
    rest = await platform.received(after=str(page["next"]), limit="2")
    assert [arrival["seq"] for arrival in (*page["arrivals"], *rest["arrivals"])] == [1, 2, 3]
    assert rest["next"] is None
    async with platform.session.delete("/received") as answer:
        assert answer.status == 204
    assert (await platform.received())["count"] == 0


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        (b"{", {}),
        (b"[]", {}),
        (b"\xff", {}),
        (b"[" * 100_000, {}),
        (None, {"Idempotency-Key": "another"}),
        (None, {"X-Order-Seq": "2"}),
        (None, {"X-Order-Seq": "one"}),
        (None, {"X-Order-Seq": "9" * 5000}),
        (None, {"X-Order-Id": ""}),
    ],
)
async def test_a_request_that_contradicts_itself_is_refused_with_a_reason(
    platform: Caller, body: bytes | None, changed: dict[str, str]
) -> None:
    headers = {"Idempotency-Key": "o-1-1", "X-Order-Id": "o-1", "X-Order-Seq": "1", **changed}
    data = json.dumps(wire_event("o-1", 1)).encode() if body is None else body
    async with platform.session.post("/order-events", data=data, headers=headers) as answer:
        assert answer.status == 400
        assert (await answer.json())["reason"]
    assert (await platform.received())["count"] == 0


@pytest.mark.parametrize(
    "events",
    [None, [], [1], [{"event": {}}], [entry("o-1", 1), entry("o-1", 2)], [{**entry("o-1", 1), "seq": True}]],
)
async def test_a_batch_that_breaks_the_contract_is_refused_whole(platform: Caller, events: Any) -> None:
    async with platform.session.post("/order-events/batch", json={"events": events}) as answer:
        assert answer.status == 400
        assert (await answer.json())["reason"]
    assert (await platform.received())["count"] == 0


async def test_unknown_paths_methods_and_queries_get_a_reason(platform: Caller) -> None:
    for method, path, status in (
        ("GET", "/nowhere", 404),
        ("GET", "/order-events", 405),
        ("GET", "/received?limit=0", 400),
        ("GET", "/received?after=-1", 400),
    ):
        async with platform.session.request(method, path) as answer:
            assert answer.status == status
            assert (await answer.json())["reason"]


async def test_a_configured_token_is_demanded_from_events_only() -> None:
    runner = await start(PlatformOptions(port=0, token=TOKEN))
    async with aiohttp.ClientSession(f"http://127.0.0.1:{listening_port(runner)}") as session:
        caller = Caller(session)
        assert await caller.single("o-1", 1) == 401
        assert await caller.single("o-1", 1, Authorization="Bearer other") == 401
        assert await caller.single("o-1", 1, Authorization=f"Bearer {TOKEN}") == 202
        assert (await caller.received())["count"] == 1
    await runner.cleanup()


async def test_an_outage_refuses_everything_with_retry_after_until_it_is_cleared(platform: Caller) -> None:
    assert await platform.faults(outage={"status": 503, "retryAfter": 1}) == 200
    async with platform.session.post("/order-events/batch", json={"events": [entry("o-1", 1)]}) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert await platform.single("o-1", 1) == 503
    await platform.faults()
    assert await platform.single("o-1", 1) == 202


async def test_a_status_can_be_forced(platform: Caller) -> None:
    await platform.faults(status=500)
    assert await platform.single("o-1", 1) == 500
    assert (await platform.received())["count"] == 0


async def test_every_nth_event_is_rejected_again_and_again(platform: Caller) -> None:
    await platform.faults(reject={"everyNth": 2})
    assert [await platform.single(order, 1) for order in ("a", "b", "c", "b")] == [202, 422, 202, 422]


async def test_an_event_can_be_taken_and_then_fail(platform: Caller) -> None:
    await platform.faults(applyThenFail=True)
    assert await platform.single("o-1", 1) == 500
    await platform.faults(applyThenFail="close")
    with pytest.raises(aiohttp.ClientError):
        await platform.single("o-2", 1)
    await platform.faults()
    assert [await platform.single("o-1", 1), await platform.single("o-2", 1)] == [409, 409]


async def test_a_batch_can_be_taken_by_half_before_it_fails(platform: Caller) -> None:
    await platform.faults(applyThenFail="half")
    assert await platform.batch("o-1", "o-2", "o-3") == 500
    await platform.faults()
    assert await platform.batch("o-1", "o-2", "o-3") == ["duplicate", "duplicate", "accepted"]


async def test_answers_can_come_twice_and_call_everything_a_repeat(platform: Caller) -> None:
    await platform.faults(duplicateAnswers=True)
    assert await platform.single("o-1", 1) == 409
    assert await platform.batch("o-2", "o-3") == ["duplicate"] * 4
    assert (await platform.received())["duplicates"] == 0


async def test_what_was_refused_for_good_is_told_and_what_is_here_is_never_refused(platform: Caller) -> None:
    assert await platform.single("o-1", 1) == 202
    await platform.faults(reject={"everyNth": 1})
    assert [await platform.single("o-1", 1), await platform.single("o-2", 1)] == [409, 422]
    assert (await platform.received(rejected=""))["rejected"] == ["o-2-1"]


async def test_batches_can_be_unsupported_or_ask_for_a_retry(platform: Caller) -> None:
    await platform.faults(batchUnsupported=True)
    assert await platform.batch("o-1") == 404
    await platform.faults(batchRetryEveryNth=2)
    assert await platform.batch("o-1", "o-2", "o-3") == ["accepted", "retry", "accepted"]


async def test_a_platform_that_times_out_never_answers_and_takes_nothing(platform: Caller) -> None:
    await platform.faults(timeout=True)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(platform.single("o-1", 1), timeout=0.3)
    await platform.faults()
    assert (await platform.received())["count"] == 0


async def test_latency_delays_the_answer(platform: Caller) -> None:
    await platform.faults(latencyMs=60_000)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(platform.single("o-1", 1), timeout=0.2)
    await platform.faults(latencyMs=10)
    assert await platform.single("o-1", 1) == 202


async def test_a_wrong_switch_is_refused_and_changes_nothing(platform: Caller) -> None:
    await platform.faults(outage=True)
    assert await platform.faults(outrage=True) == 400
    async with platform.session.get("/faults") as answer:
        assert await answer.json() == {"faults": {"outage": True}, "remainingSeconds": None}


def serve_with_journal(journal: Path) -> tuple["subprocess.Popen[str]", str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "devservices.data_platform", "--port", "0", "--journal", str(journal)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    found = re.search(r"http://\S+", process.stdout.readline())
    assert found is not None
    return process, found.group()


async def test_the_journal_outlives_a_killed_receiver_and_a_torn_last_line(tmp_path: Path) -> None:
    journal = tmp_path / "arrivals.jsonl"
    process, address = serve_with_journal(journal)
    with process:
        async with aiohttp.ClientSession(address) as session:
            assert [await Caller(session).single("o-1", seq) for seq in (1, 2)] == [202, 202]
        process.send_signal(signal.SIGKILL)
    with journal.open("a") as torn:
        torn.write('{"number":3,"eve')
    process, address = serve_with_journal(journal)
    with process:
        async with aiohttp.ClientSession(address) as session:
            caller = Caller(session)
            assert [await caller.single("o-1", seq) for seq in (2, 3)] == [409, 202]
            summary = await caller.received()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=patient(60)) == 0
    assert (summary["count"], summary["duplicates"], summary["orderViolations"]) == (4, 1, 0)
    assert [json.loads(line)["number"] for line in journal.read_text().splitlines()] == [1, 2, 3, 4]
