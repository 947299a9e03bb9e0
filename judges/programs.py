"""Judges, programs: services and clients of NestJS as processes, told what to do line by line."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from devservices.instance import ROOT
from judges.packages import folder, node_folder
from tests.waiting import patient

SERVICE, CLIENT = "service", "client"
SERVED = ("echo", "answer", "noted")
"""The topics of the service of NestJS."""
_LINE_BYTES = 4 * 1024 * 1024
_ANSWER_SECONDS = 60


class Program:
    """A program that takes lines of JSON and gives lines of JSON; it ends when its input does."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

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


def nest_command(name: str, *words: str) -> list[str]:
    """Runs a program of NestJS, in the folder of its version."""
    return node_command(f"nest/{name}", *words)


def node_command(path: str, *words: str) -> list[str]:
    """Runs a program of this folder."""
    source = ROOT / "judges" / f"{path}.mjs"
    return [str(node_folder() / "bin" / "node"), "--no-warnings", str(source), *words]


@asynccontextmanager
async def nest_program(name: str, version: str, *words: str) -> AsyncIterator[Program]:
    """A program of NestJS, when it is ready; ended with the block."""
    async with node_program(f"nest/{name}", version, *words) as program:
        yield program


@asynccontextmanager
async def node_program(path: str, version: str, *words: str) -> AsyncIterator[Program]:
    """A program of this folder with the packages of a version, when it is ready; ended with the block."""
    process = await asyncio.create_subprocess_exec(
        *node_command(path, *words), cwd=folder(version), limit=_LINE_BYTES,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        program = Program(process)
        assert await program.said() == {"ready": True}
        yield program
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
