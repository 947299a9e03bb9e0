"""Runs the product's commands as an operator does."""

import asyncio
import sys
from collections.abc import Mapping

from devservices.errors import ServerStartError
from devservices.instance import ROOT

_WITHIN_SECONDS = 60.0


async def run_command(*command: str, environment: Mapping[str, str]) -> None:
    """Run `python -m <command>` to its end.

    Raises:
        ServerStartError: it failed; the message has its output.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *command, cwd=ROOT, env=dict(environment),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _WITHIN_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise ServerStartError(f"`{' '.join(command)}` did not end within {_WITHIN_SECONDS:.0f} s.") from None
    if process.returncode:
        raise ServerStartError(f"`{' '.join(command)}` failed: {output.decode().strip()[-1000:]}")
