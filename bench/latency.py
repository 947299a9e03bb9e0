"""Measures how long a lone event takes from its order's transaction to the data platform."""

import asyncio
import json
import math
import sys
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import aiohttp
import msgspec

from bench.commands import run_command
from bench.measuring import Say
from bench.report import goal_line, machine
from bench.results import Goal
from bench.servers import Place, migrated_servers
from bench.shop import start_shop
from devservices.errors import ServerStartError
from devservices.instance import ROOT
from devservices.ports import LOOPBACK, choose_free
from devservices.processes import spawn
from kits.web.tokens.verifier import issue_token

ORDERS = 50
_PAUSE_SECONDS = 1.0
_WARM_UP = 3
_START_SECONDS = 40.0
_ARRIVAL_SECONDS = 30.0
_LOOK_SECONDS = 0.1
_STOP_SECONDS = 30.0
_P50_MS, _P99_MS = 40.0, 150.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class LatencyReport(msgspec.Struct, kw_only=True):
    """Milliseconds of each order, in the order of their placing."""

    machine: dict[str, Any]
    milliseconds: list[float]
    complaints: list[str]
    goals: list[Goal]


async def run_latency(*, say: Say, orders: int = ORDERS) -> LatencyReport:
    """Place so many orders, one a second, on servers of its own; nothing else goes on.

    An event's time begins with its `occurredAt`, which is inside of the transaction: the COMMIT counts too.

    Raises:
        DevServicesError: in one sentence, what failed.
    """
    say("starting PostgreSQL and Kafka")
    async with migrated_servers() as place:
        await run_command("app", "seed", environment=place.environment)
        async with _pipeline(place) as (shop_url, platform_url):
            say(f"{orders} orders, one a second")
            placed = await _place(shop_url, place.environment["JWT_SECRET"], orders)
            arrivals = await _arrivals(platform_url, orders + _WARM_UP)
    times = {each["orderId"]: _milliseconds(each) for each in arrivals if each["first"]}
    found = [times[order_id] for order_id in placed if order_id in times]
    return LatencyReport(
        machine=machine(orders, 0),
        milliseconds=found,
        complaints=[f"{orders - len(found)} orders did not arrive."] if len(found) < orders else [],
        goals=goals(found),
    )


def goals(milliseconds: Sequence[float]) -> list[Goal]:
    """What a person who waits for one order may expect."""
    return [
        Goal("lone order, COMMIT to arrival: p50 ms", percentile(milliseconds, 50), _P50_MS, at_least=False),
        Goal("lone order, COMMIT to arrival: p99 ms", percentile(milliseconds, 99), _P99_MS, at_least=False),
    ]


def percentile(values: Sequence[float], percent: int) -> float:
    """The nearest rank: a value that was measured; infinity if there is none."""
    ordered = sorted(values)
    return ordered[math.ceil(len(ordered) * percent / 100) - 1] if ordered else math.inf


def latency_table(report: LatencyReport) -> str:
    """For a reader at a terminal."""
    lines = [f"{len(report.milliseconds)} lone orders, from their transaction to the data platform"]
    lines += [goal_line(goal) for goal in report.goals]
    return "\n".join([*lines, *(f"WRONG: {complaint}" for complaint in report.complaints)])


@asynccontextmanager
async def _pipeline(place: Place) -> AsyncIterator[tuple[str, str]]:
    """API, worker and the reference data platform; the addresses of the first and the last."""
    api, ops, worker_port, platform_port = choose_free(4)
    platform_url = f"http://{LOOPBACK}:{platform_port}"
    environment = {
        **place.environment, "DATA_PLATFORM_URL": platform_url, "WORKER_PORT": str(worker_port),
        "API_SHUTDOWN_DELAY_SECONDS": "0",
    }  # fmt: skip
    commands = {"platform": ["devservices", "platform", "--port", str(platform_port)], "worker": ["worker"]}
    processes = [
        spawn(name, [sys.executable, "-m", *command], log_path=place.directory / f"{name}.log",
              env=environment, cwd=ROOT)
        for name, command in commands.items()
    ]  # fmt: skip
    try:
        shop = await start_shop(
            "api",
            checkout=ROOT,
            ports=(api, ops),
            log_path=place.directory / "api.log",
            environment=environment,
        )
        processes.append(shop.process)
        await _ready(f"http://{LOOPBACK}:{worker_port}/readyz")
        yield shop.url, platform_url
    finally:
        for process in reversed(processes):
            await asyncio.to_thread(process.stop, _STOP_SECONDS)


async def _ready(url: str) -> None:
    give_up_at = asyncio.get_running_loop().time() + _START_SECONDS
    while True:
        try:
            await asyncio.to_thread(_get, url)
        except OSError:
            if asyncio.get_running_loop().time() > give_up_at:
                raise ServerStartError(f"The worker was not ready within {_START_SECONDS:.0f} s.") from None
            await asyncio.sleep(_LOOK_SECONDS)
        else:
            return


async def _place(shop_url: str, secret: str, orders: int) -> list[str]:
    """Place them one a second, after a few that only warm up; their ids."""
    token = issue_token(secret, "c-1", issuer="order-pipeline", audience="orders")
    body = {"items": [{"productId": "p-1", "quantity": 1}]}
    placed = []
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
        for _ in range(_WARM_UP + orders):
            async with session.post(f"{shop_url}/orders", json=body, raise_for_status=True) as answer:
                placed.append(str((await answer.json())["orderId"]))
            await asyncio.sleep(_PAUSE_SECONDS)
    return placed[_WARM_UP:]


async def _arrivals(platform_url: str, expected: int) -> list[dict[str, Any]]:
    """What has arrived, when everything has, or the time is up."""
    give_up_at = asyncio.get_running_loop().time() + _ARRIVAL_SECONDS
    while True:
        text = await asyncio.to_thread(_get, f"{platform_url}/received?after=0&limit=10000")
        arrivals: list[dict[str, Any]] = json.loads(text)["arrivals"]
        if len(arrivals) >= expected or asyncio.get_running_loop().time() > give_up_at:
            return arrivals
        await asyncio.sleep(_LOOK_SECONDS)


def _milliseconds(arrival: dict[str, Any]) -> float:
    began, ended = arrival["event"]["occurredAt"], arrival["receivedAt"]
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds() * 1000


def _get(url: str) -> str:
    with _OPENER.open(url, timeout=10.0) as answer:
        text: str = answer.read().decode()
        return text
