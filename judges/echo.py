"""Judges, echo: our side as a process, `python -m judges.echo service|client BROKERS PREFIX`.

The client takes lines {"measure": NAME, "data": …, "concurrency": N, "seconds": S} and answers each with one,
as the one of NestJS does. Both end when their standard input does.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
import uvloop

from judges.ours import Article, our_client, our_service
from judges.programs import READY, SERVICE
from kits.observability.logs import LogSettings, configure_logging
from kits.rpc.client import RpcClient
from kits.rpc.handlers import message_pattern
from kits.rpc.patterns import Pattern


def echo(prefix: str) -> object:
    """A controller that gives back what it gets."""

    class EchoController:
        @message_pattern(f"{prefix}.echo")
        async def echo(self, article: Article) -> Article:
            return article

    return EchoController()


async def serve(servers: str, prefix: str) -> None:
    """Until standard input ends."""
    async with our_service(servers, prefix, echo(prefix)):
        tell(READY)
        await (await commands()).read()


async def call(servers: str, prefix: str) -> None:
    """What the lines say, until standard input ends."""
    async with our_client(servers, prefix) as client:
        tell(READY)
        lines = await commands()
        while line := await lines.readline():
            command = json.loads(line)
            pattern = Pattern(f"{prefix}.{command['measure']}", Article, Article)
            article = msgspec.convert(command["data"], Article)
            tell(await measured(client, pattern, article, command["concurrency"], command["seconds"]))


async def measured(
    client: RpcClient, pattern: Pattern[Article, Article], article: Article, concurrency: int, seconds: float
) -> dict[str, float]:
    """As many callers, each of which waits for its reply before it asks again."""
    times: list[float] = []
    began = time.perf_counter()

    async def ask() -> None:
        while (asked := time.perf_counter()) - began < seconds:
            sent = msgspec.structs.replace(article, title=f"{article.title} {len(times)}")
            assert await client.send(pattern, sent) == sent
            times.append(time.perf_counter() - asked)

    await asyncio.gather(*(ask() for _ in range(concurrency)))
    took = time.perf_counter() - began
    return {"calls": len(times), "seconds": took, "p50_ms": rank(times, 50), "p99_ms": rank(times, 99)}


def rank(times: Sequence[float], percent: int) -> float:
    """The nearest rank of these seconds, in milliseconds."""
    return sorted(times)[-(-len(times) * percent // 100) - 1] * 1000


def tell(line: Any) -> None:
    """One line for who has started this."""
    sys.stdout.write(f"{json.dumps(line)}\n")
    sys.stdout.flush()


async def commands() -> asyncio.StreamReader:
    """Standard input, which ends when who has started this does, however that ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader


if __name__ == "__main__":
    configure_logging(process="judges", settings=LogSettings(level="warning"), quiet=["aiokafka"])
    name, *words = sys.argv[1:]
    # Ctrl-C is for who has started this.
    with suppress(KeyboardInterrupt):
        uvloop.run((serve if name == SERVICE else call)(*words))
