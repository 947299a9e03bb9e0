"""Commands of the product, run to their end as an operator runs them."""

import asyncio
import os
import sys
from typing import NamedTuple

from devservices.instance import ROOT
from tests.waiting import patient

PASSED_ON = ("PATH", "HOME", "LANG", "ENV_FILE")


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


async def run_command(*words: str, given: bytes = b"", **environment: str) -> Ended:
    """`python -m <words>` with nothing but these settings, within a patient minute; `given` is its stdin."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *words, cwd=ROOT, env={**kept, **environment},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, err = await asyncio.wait_for(process.communicate(given), patient(60))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())
