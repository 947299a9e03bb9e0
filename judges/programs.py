"""Judges, programs: NestJS's and our own, in processes of their own, told what to do line by line."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from devservices.instance import ROOT
from judges.packages import folder, node_folder
from tests.waiting import patient

SERVICE, CLIENT = "service", "client"
SERVED = ("echo", "answer", "noted")
"""The topics of the service of NestJS."""
OURS = "ours"
READY = {"ready": True}
_LINE_BYTES = 4 * 1024 * 1024
_ANSWER_SECONDS = 60


class Program:
    """A program that takes lines of JSON and gives lines of JSON; it ends when its input does."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    def tell(self, **command: Any) -> None:
        """Give it a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    async def ask(self, **command: Any) -> Any:
        """Give it a command; its next line."""
        self.tell(**command)
        return await self.said()

    async def said(self) -> Any:
        """Its next line, waited for within a patient minute."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), patient(_ANSWER_SECONDS))
        assert line, "the program has ended: see its words on stderr"
        return json.loads(line)


def nest_program(name: str, version: str, *words: str) -> AbstractAsyncContextManager[Program]:
    """A program of NestJS, when it is ready; ended with the block."""
    source = ROOT / "judges" / "nest" / f"{name}.mjs"
    return _program(
        [str(node_folder() / "bin" / "node"), "--no-warnings", str(source), *words], folder(version)
    )


def our_program(name: str, *words: str) -> AbstractAsyncContextManager[Program]:
    """The same of ours."""
    return _program([sys.executable, "-m", "judges.echo", name, *words], ROOT)


@asynccontextmanager
async def _program(command: Sequence[str], directory: Path) -> AsyncIterator[Program]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=directory,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
    )
    try:
        program = Program(process)
        assert await program.said() == READY
        yield program
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
