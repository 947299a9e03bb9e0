"""Runs the open loop in a process of its own, so that measuring and being measured do not share a loop."""

import asyncio
import sys

import msgspec

from bench.open_loop import Pace
from bench.results import Run
from bench.wrk import GeneratorError
from devservices.instance import ROOT

_MORE_SECONDS = 30.0


async def run_open_loop(pace: Pace) -> Run:
    """Send as `pace` says.

    Raises:
        GeneratorError: the generator failed, or did not end in time.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.open_loop", cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    within = pace.seconds + pace.warm_up_seconds + _MORE_SECONDS
    try:
        output, errors = await asyncio.wait_for(process.communicate(msgspec.json.encode(pace)), within)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise GeneratorError(f"The open loop did not end within {within:.0f} s.") from None
    if process.returncode:
        raise GeneratorError(f"The open loop failed: {errors.decode().strip()[-500:]}")
    return msgspec.json.decode(output, type=Run)
