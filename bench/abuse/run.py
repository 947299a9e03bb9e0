"""One run: a shop of its own, orders alone, orders beside the floods, orders alone again."""

import asyncio
import secrets
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec

from bench.abuse.customers import Customers, Served
from bench.abuse.flood_process import FloodPlan
from bench.abuse.floods import floods
from bench.bench import AUDIENCE, ISSUER, environment_of
from bench.commands import run_command
from bench.measuring import Say
from bench.report import machine
from bench.servers import bench_servers
from bench.shop import Shop, start_shop
from bench.workloads import PRODUCTS, STOCK
from devservices.errors import ServerStartError
from devservices.instance import ROOT
from devservices.ports import choose_free
from kits.web.tokens.verifier import issue_token

_WARM_UP_SECONDS = 10.0
_MORE_SECONDS = 30.0


class AbusePlan(msgspec.Struct, frozen=True, kw_only=True):
    """How long, in seconds; the orders alone are measured before and after."""

    seconds: float = 300.0
    orders_per_second: float = 20.0
    only: str | None = None
    """The name of one flood; None: all of them."""

    @property
    def alone_seconds(self) -> float:
        """A fifth of the floods' time, within reason."""
        return min(60.0, max(10.0, self.seconds / 5))


class AbuseReport(msgspec.Struct, kw_only=True):
    """What customers got, alone and beside floods; the API's memory in MiB; the floods' answers by status."""

    machine: dict[str, Any]
    alone: Served
    flooded: Served
    afterwards: Served
    memory: dict[str, float]
    floods: dict[str, dict[str, int]]

    @property
    def refused(self) -> int:
        """Legitimate orders that were not accepted."""
        return self.alone.refused + self.flooded.refused + self.afterwards.refused


async def run_abuse(plan: AbusePlan, *, seed: int, say: Say) -> AbuseReport:
    """Flood a shop of this run's own on this machine, and stop everything afterwards.

    Raises:
        DevServicesError: in one sentence, what failed.
    """
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="abuse-")))
        say(f"starting PostgreSQL and Kafka (seed {seed})")
        addresses = await stack.enter_async_context(bench_servers())
        secret = secrets.token_hex(32)
        environment = environment_of(addresses.as_environment(), secret)
        shop, ops_port = await _shop(directory, environment)
        stack.callback(shop.stop)
        customers = Customers(shop.url, jwt_secret=secret, issuer=ISSUER, audience=AUDIENCE, seed=seed)
        await customers.order(plan.orders_per_second, _WARM_UP_SECONDS)
        say("orders alone")
        alone = await customers.order(plan.orders_per_second, plan.alone_seconds)
        memory = {"before the floods": await _memory(shop)}
        say(f"{served_line(alone)}; floods for {plan.seconds:.0f} s")
        token = issue_token(secret, "rubbish", issuer=ISSUER, audience=AUDIENCE, ttl_seconds=6 * 3600)
        chosen = [flood for flood in floods(token) if plan.only in {None, flood.name}]
        flood_plan = FloodPlan(port=shop.port, ops_port=ops_port, seconds=plan.seconds, floods=chosen)
        watching = asyncio.create_task(_watch(shop, plan.seconds, memory, say))
        counts, flooded, _ = await asyncio.gather(
            _flood(flood_plan), customers.order(plan.orders_per_second, plan.seconds), watching
        )
        say(f"orders alone again; {served_line(flooded)}")
        afterwards = await customers.order(plan.orders_per_second, plan.alone_seconds)
        memory["afterwards"] = await _memory(shop)
        return AbuseReport(
            machine=machine(1, seed, seconds=plan.seconds),
            alone=alone,
            flooded=flooded,
            afterwards=afterwards,
            memory=memory,
            floods=counts,
        )


def served_line(served: Served) -> str:
    """One line for a reader."""
    return (
        f"p50 {served.p50_ms:.1f} ms, p99 {served.p99_ms:.1f} ms, worst {served.worst_ms:.0f} ms,"
        f" {served.answers.get(202, 0):,} accepted, {served.refused} not, {served.sent_again} sent again"
    )


async def _shop(directory: Path, environment: Mapping[str, str]) -> tuple[Shop, int]:
    for command in (("migrate",), ("seed", "--products", str(PRODUCTS), "--stock", str(STOCK))):
        await run_command("app", *command, environment=environment)
    port, ops_port = choose_free(2)
    shop = await start_shop(
        "api", checkout=ROOT, ports=(port, ops_port), log_path=directory / "api.log", environment=environment
    )
    return shop, ops_port


async def _memory(shop: Shop) -> float:
    return (await shop.counts()).memory_mib


async def _watch(shop: Shop, seconds: float, memory: dict[str, float], say: Say) -> None:
    """The API's memory in each fifth of the floods."""
    for part in range(1, 6):
        await asyncio.sleep(seconds / 5 - 0.1)
        memory[f"{part}/5 of the floods"] = found = await _memory(shop)
        say(f"{part}/5 of the floods: {found:.0f} MiB")


async def _flood(plan: FloodPlan) -> dict[str, dict[str, int]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.abuse.flood_process", cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        given = msgspec.json.encode(plan)
        output, _ = await asyncio.wait_for(process.communicate(given), plan.seconds + _MORE_SECONDS)
    except TimeoutError:
        raise ServerStartError("The floods did not end: they were killed.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return msgspec.json.decode(output, type=dict[str, dict[str, int]])


def table(report: AbuseReport) -> str:
    """For a reader at a terminal."""
    lines = [
        f"orders alone       {served_line(report.alone)}",
        f"beside the floods  {served_line(report.flooded)}",
        f"alone again        {served_line(report.afterwards)}",
        _ratio("p50", report.flooded.p50_ms, report.alone.p50_ms),
        _ratio("p99", report.flooded.p99_ms, report.alone.p99_ms),
        "memory of the API: " + ", ".join(f"{when} {mib:.0f} MiB" for when, mib in report.memory.items()),
        "",
        "answers to the floods",
        *(f"  {name:<18} {_counts(counts)}" for name, counts in report.floods.items()),
    ]
    return "\n".join(lines)


def _ratio(name: str, flooded: float, alone: float) -> str:
    return f"{name} beside the floods / alone: {flooded / max(alone, 0.001):.2f}"


def _counts(counts: Mapping[str, int]) -> str:
    parts: Sequence[str] = [f"{status} x {number:,}" for status, number in sorted(counts.items())]
    return ", ".join(parts) or "none was read"
