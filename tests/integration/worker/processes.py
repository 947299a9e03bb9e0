"""The worker as a process of its own, on a free port."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from devservices.instance import ROOT
from devservices.ports import choose_free
from tests.commands import Ended, run_command
from tests.integration.worker.harness import Pipeline
from tests.waiting import patient

_ON_OTHER_TOPICS = """
import sys
from dependency_injector import providers
from worker.cli.program import main
from worker.command_container import InboxCommands, InboxContainer
from worker.container import Container
topic, dead_letters, group, *words = sys.argv[1:]
InboxContainer.group.override(providers.Object(group))
InboxCommands.order_events.override(providers.Object(topic))
Container.order_events.override(providers.Object(topic))
Container.dead_letter_topic.override(providers.Object(dead_letters))
sys.exit(main(words))
"""


def a_free_port() -> int:
    """A port that nobody listens on now."""
    return choose_free()[0]


async def finished(*words: str, **environment: str) -> Ended:
    """`python -m worker` with nothing but this environment."""
    return await run_command("worker", *words, given=b"", **environment)


async def begun(pipeline: Pipeline, *words: str, **settings: str) -> asyncio.subprocess.Process:
    """`python -m worker` with these words, on the pipeline's topics and with its environment."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _ON_OTHER_TOPICS,
        pipeline.topic,
        pipeline.dead_letter_topic,
        pipeline.group,
        *words,
        cwd=ROOT,
        env={name: os.environ[name] for name in ("PATH", "ENV_FILE")} | pipeline.environment | settings,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def commanded(pipeline: Pipeline, *words: str, **settings: str) -> Ended:
    """Run a command to its end; exit code, stdout, stderr."""
    process = await begun(pipeline, *words, **settings)
    out, err = await asyncio.wait_for(process.communicate(), patient(60))
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


class WorkerProcess:
    """A running worker; its log is there while it runs."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self._port = port
        self.log = ""
        self._reading = asyncio.create_task(self._read_log())

    async def _read_log(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.log += line.decode()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait for the end; the exit code."""
        async with asyncio.timeout(patient(60)):
            await self._reading
            return await self._process.wait()

    async def answer(self, path: str) -> tuple[int, str]:
        """The status and the body of one of its probes; 0 when nobody answers."""
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{self._port}{path}") as answer,
            ):
                return answer.status, await answer.text()
        except aiohttp.ClientError:
            return 0, ""

    async def status(self, path: str) -> int:
        """The status alone."""
        return (await self.answer(path))[0]

    async def is_ready(self) -> bool:
        """Whether /readyz says so."""
        return await self.status("/readyz") == 200

    async def kill(self) -> None:
        """End it at once, if it runs still."""
        if self._process.returncode is None:
            self._process.kill()
        await self.ended()


@asynccontextmanager
async def worker_process(pipeline: Pipeline, **settings: str) -> AsyncIterator[WorkerProcess]:
    """A worker process on the pipeline's topics, killed at the end if it still runs."""
    port = a_free_port()
    process = await begun(pipeline, WORKER_PORT=str(port), **settings)
    worker = WorkerProcess(process, port)
    try:
        yield worker
    finally:
        await worker.kill()
