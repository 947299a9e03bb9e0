"""Judges, speed: `python -m judges.speed` measures echoes of NestJS in turns with ours and the floor.

It is `make bench ONLY=rpc` with more contestants, and then conduit beside one of NestJS; nothing is asserted
of the figures.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import uvloop

from bench.report import machine
from bench.rpc.run import Contestant, RpcReport, goals, own_contestants, rpc_broker, rpc_table, run_echoes
from devservices.errors import DevServicesError
from judges.conduit.run import conduit_table, run_conduit
from judges.packages import NEST_VERSIONS, folder
from judges.programs import SERVED, SERVICE, nest_command
from judges.topics import own_topics
from kits.observability.logs import LogSettings, configure_logging
from tests.conftest import RUN_ID

ROUNDS = 2
SECONDS = 2.0


async def measure() -> RpcReport:
    """All contestants on one broker.

    Raises:
        DevServicesError: in one sentence, what failed.
    """
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(rpc_broker())
        peers = [await stack.enter_async_context(contestant(version, servers)) for version in NEST_VERSIONS]
        all_of_them = [*own_contestants(servers), *peers]
        runs = await run_echoes(all_of_them, rounds=ROUNDS, seconds=SECONDS, say=say)
    reached = [*goals(runs), *(goal for peer in peers for goal in goals(runs, peer=peer.name))]
    return RpcReport(machine=machine(ROUNDS, 0), runs=runs, goals=list(dict.fromkeys(reached)))


@asynccontextmanager
async def contestant(version: str, servers: str) -> AsyncIterator[Contestant]:
    """A version of NestJS, with its topics."""
    prefix = f"speed-{version}-{RUN_ID}"
    async with own_topics(servers, prefix, [*SERVED, "echo.reply"]):
        serve, call = (nest_command(name, servers, prefix) for name in (SERVICE, "caller"))
        yield Contestant(version, serve, call, folder(version))


def say(line: str) -> None:
    """Progress."""
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Measure and print; 0 when every reply was its caller's, however fast."""
    configure_logging(process="judges", settings=LogSettings(level="warning"), quiet=["aiokafka"])
    try:
        print(rpc_table(asyncio.run(measure())))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            print(f"\n{conduit_table(runner.run(run_conduit(say=say)))}")
    except DevServicesError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("Interrupted: the broker is stopped and deleted.")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
