"""One bench from start to end: servers, processes, rounds, counts, report."""

import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bench.api import ONE_BY_ONE as ALONE_OPTION
from bench.commands import run_command
from bench.conservation import Conservation
from bench.formats import AVRO, register
from bench.load import Load
from bench.measuring import Measuring, Plan, Say
from bench.report import ALONE, YOUNG_TABLES, goals, machine, memory_line
from bench.results import Report
from bench.servers import bench_servers
from bench.shop import Shop, start_shop
from bench.topic import TopicWatch
from bench.workloads import PRODUCTS, STOCK
from devservices.instance import ROOT
from devservices.ports import choose_free

GROUPED = "api"
OTHER = "other"
ISSUER, AUDIENCE = "order-pipeline", "orders"
_PRODUCT_NAMES = ("DATABASE_URL", "WORKER_DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "ORDER_EVENTS_PARTITIONS")


async def run_bench(plan: Plan, *, against: Path | None, seed: int, say: Say, avro: bool = False) -> Report:
    """Measure as planned on servers of its own, which are gone afterwards.

    Args: avro: whether the other checkout's process sends its events as Avro.

    Raises:
        DevServicesError, GeneratorError: in one sentence, what failed.
    """
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        say(f"starting PostgreSQL and Kafka (seed {seed})")
        say(YOUNG_TABLES)
        addresses = await stack.enter_async_context(bench_servers())
        secret = secrets.token_hex(32)
        environment = environment_of(addresses.as_environment(), secret)
        for command in (("migrate",), ("seed", "--products", str(PRODUCTS), "--stock", str(STOCK))):
            await run_command("app", *command, environment=environment)
        if avro:
            await register(addresses.database_url)
        more = AVRO if avro else {}
        shops = await stack.enter_async_context(_shops(directory, environment, against, more))
        topic = await stack.enter_async_context(TopicWatch(addresses.kafka_bootstrap_servers))
        conservation = Conservation(addresses.database_url, topic, shops)
        load = Load(directory, jwt_secret=secret, issuer=ISSUER, audience=AUDIENCE, seed=seed)
        measuring = Measuring(load, conservation, grouped=shops[:-1], alone=shops[-1], say=say)
        await measuring.warm_up(plan)
        before = await _memory(shops)
        measured = await measuring.run(plan)
        after = await _memory(shops)
        say(f"checking every order; memory before {memory_line(before)}, after {memory_line(after)}")
        return Report(
            machine=machine(plan.rounds, seed, seconds_per_run=plan.seconds),
            runs=dict(measured.runs),
            half_load=measured.half_load,
            half_load_per_second=measured.half_load_per_second,
            memory_before=before,
            memory_after=after,
            counts=await conservation.counts(),
            complaints=[*measured.complaints, *await conservation.complaints()],
            goals=goals(measured, GROUPED),
        )


@asynccontextmanager
async def _shops(
    directory: Path, environment: Mapping[str, str], against: Path | None, of_other: Mapping[str, str]
) -> AsyncIterator[Sequence[Shop]]:
    planned = (
        [(GROUPED, ROOT, ())] + ([(OTHER, against, ())] if against else []) + [(ALONE, ROOT, (ALONE_OPTION,))]
    )
    shops: list[Shop] = []
    try:
        free = choose_free(2 * len(planned))
        for (name, checkout, options), port, ops_port in zip(planned, free[::2], free[1::2], strict=True):
            log_path = directory / f"{name}.log"
            shops.append(
                await start_shop(
                    name,
                    *options,
                    checkout=checkout,
                    ports=(port, ops_port),
                    log_path=log_path,
                    environment={**environment, **(of_other if name == OTHER else {})},
                )
            )
        yield shops
    finally:
        for shop in shops:
            shop.stop()


def environment_of(addresses: Mapping[str, str], secret: str) -> dict[str, str]:
    caller = {name: value for name, value in os.environ.items() if name not in _PRODUCT_NAMES}
    return {
        **caller,
        **addresses,
        "ENV_FILE": os.devnull,
        "MAX_OPEN_ORDERS": "0",
        "JWT_SECRET": secret,
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
        "API_SHUTDOWN_DELAY_SECONDS": "0",
        "LOG_LEVEL": "info",
        "LOG_FILE": "",
    }


async def _memory(shops: Sequence[Shop]) -> dict[str, float]:
    return {shop.name: (await shop.counts()).memory_mib for shop in shops}
