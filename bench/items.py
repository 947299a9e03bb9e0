"""Measures what a seller costs a product's page, by the shop's copy and with the Member API silent."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import asyncpg
import msgspec
import psutil  # type: ignore[import-untyped]

from bench.commands import run_command
from bench.latency import percentile
from bench.measuring import Say
from bench.report import goal_line, machine
from bench.results import Goal
from bench.servers import Place, migrated_servers
from bench.shop import Shop, start_shop
from devservices.instance import ROOT
from devservices.ports import LOOPBACK, choose_free

ROUNDS = 15
_BLOCK = 1_000
_AT_ONCE = 40
"""Sellers whom nobody knows, asked for in the same moment: more than may be asked of the Member API."""
_AFTERWARDS = 2_000
_MORE = 0.10
_AT_FIRST_MS, _OPEN_MS = 1_200.0, 20.0
_REPLICA = "INSERT INTO member_replica (member_id, name, version, as_of) VALUES ('m-1', 'Hong', 1, now())"


class ItemsReport(msgspec.Struct, kw_only=True):
    """Microseconds per request by round; milliseconds of each one while the Member API is silent."""

    machine: dict[str, Any]
    own_us: list[float]
    sold_us: list[float]
    own_cpu_us: list[float]
    sold_cpu_us: list[float]
    at_first_ms: list[float]
    open_ms: list[float]
    complaints: list[str]
    goals: list[Goal]


@dataclass(slots=True)
class _Side:
    """One product's page, round by round: microseconds of time and of the API's processor per request."""

    path: str
    wall_us: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)


async def run_items(*, say: Say, rounds: int = ROUNDS) -> ItemsReport:
    """Look at products, one request at a time, on servers of its own; each round measures both pages.

    Raises:
        DevServicesError: in one sentence, what failed.
    """
    say("starting PostgreSQL and Kafka")
    async with migrated_servers() as place, _silent_members() as members_url:
        await _fill(place)
        own, sold = _Side("/products/own"), _Side("/products/sold")
        shop = await _shop(place, members_url)
        try:
            say(f"{rounds} rounds of {_BLOCK} pages without a seller and {_BLOCK} with one")
            for number in range(-1, rounds):
                for side in (own, sold) if number % 2 else (sold, own):
                    await _measure(shop, side, keep=number >= 0)
            say("the Member API is silent")
            at_first, open_ = await _silence(shop)
        finally:
            await asyncio.to_thread(shop.stop)
    found = goals(own.wall_us, sold.wall_us, at_first, open_)
    cpu = goals(own.cpu_us, sold.cpu_us, at_first, open_)[0]
    return ItemsReport(
        machine=machine(rounds, 0),
        own_us=own.wall_us,
        sold_us=sold.wall_us,
        own_cpu_us=own.cpu_us,
        sold_cpu_us=sold.cpu_us,
        at_first_ms=at_first,
        open_ms=open_,
        complaints=[],
        goals=[*found, msgspec.structs.replace(cpu, name=f"{cpu.name}, in processor time")],
    )


def goals(
    own: Sequence[float], sold: Sequence[float], at_first: Sequence[float], open_: Sequence[float]
) -> list[Goal]:
    """What a seller may cost, and how long nobody waits for one."""
    ratio = median(b / a for a, b in zip(own, sold, strict=True))
    return [
        Goal("a page with a seller, times one without", ratio, 1 + _MORE, at_least=False),
        Goal("members silent, at first: p99 ms", percentile(at_first, 99), _AT_FIRST_MS, at_least=False),
        Goal("members silent, breaker open: p99 ms", percentile(open_, 99), _OPEN_MS, at_least=False),
    ]


def items_table(report: ItemsReport) -> str:
    """For a reader at a terminal."""
    lines = [
        f"a page without a seller {median(report.own_us):.0f} us, with one {median(report.sold_us):.0f} us",
        *(goal_line(goal) for goal in report.goals),
    ]
    return "\n".join([*lines, *(f"WRONG: {complaint}" for complaint in report.complaints)])


@asynccontextmanager
async def _silent_members() -> AsyncIterator[str]:
    """An address where somebody accepts and never answers."""

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            pass
        writer.close()

    server = await asyncio.start_server(swallow, LOOPBACK, 0)
    async with server:
        yield f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"


async def _fill(place: Place) -> None:
    sellers = {"own": None, "sold": "m-1", **{f"gone-{n}": f"g-{n}" for n in range(_AT_ONCE + _AFTERWARDS)}}
    lines = [
        {"type": "product", "id": name, "name": "Thing", "price": 5, "currency": "KRW", "sellerId": seller}
        for name, seller in sellers.items()
    ]
    file = place.directory / "catalogue.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines))
    await run_command("app", "catalogue", "import", str(file), environment=place.environment)
    connection = await asyncpg.connect(place.environment["DATABASE_URL"])
    await connection.execute(_REPLICA)
    await connection.close()


async def _shop(place: Place, members_url: str) -> Shop:
    api, ops = choose_free(2)
    environment = {
        **place.environment, "MEMBER_API_URL": members_url, "API_SHUTDOWN_DELAY_SECONDS": "0",
        "LOG_LEVEL": "warning",
    }  # fmt: skip
    log_path = place.directory / "api.log"
    return await start_shop(
        "api", checkout=ROOT, ports=(api, ops), log_path=log_path, environment=environment
    )


async def _measure(shop: Shop, side: _Side, *, keep: bool) -> None:
    cpu = _cpu_seconds(shop)
    async with _connection(shop) as look:
        began = time.perf_counter()
        for _ in range(_BLOCK):
            await look(side.path)
        wall = time.perf_counter() - began
    cpu = _cpu_seconds(shop) - cpu
    if keep:
        side.wall_us.append(wall / _BLOCK * 1e6)
        side.cpu_us.append(cpu / _BLOCK * 1e6)


def _cpu_seconds(shop: Shop) -> float:
    used = psutil.Process(shop.process.pid).cpu_times()
    return float(used.user + used.system)


async def _silence(shop: Shop) -> tuple[list[float], list[float]]:
    async def alone(number: int) -> float:
        async with _connection(shop) as look:
            return await look(f"/products/gone-{number}")

    at_first = await asyncio.gather(*(alone(number) for number in range(_AT_ONCE)))
    async with _connection(shop) as look:
        afterwards = [await look(f"/products/gone-{_AT_ONCE + number}") for number in range(_AFTERWARDS)]
    return list(at_first), afterwards


class _Looking:
    """One connection that is kept: as little beside the request itself as can be."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def __call__(self, path: str) -> float:
        """Look at a page, which must be shown; milliseconds."""
        began = time.perf_counter()
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: shop\r\n\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await self._reader.readexactly(length)
        if not head.startswith(b"http/1.1 200"):
            raise ValueError(f"{path} is not shown: {body.decode()}")
        return (time.perf_counter() - began) * 1000


@asynccontextmanager
async def _connection(shop: Shop) -> AsyncIterator[_Looking]:
    reader, writer = await asyncio.open_connection(LOOPBACK, shop.port)
    try:
        yield _Looking(reader, writer)
    finally:
        writer.close()
