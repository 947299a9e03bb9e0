"""The closed loop: `wrk` keeps a number of connections busy and counts what comes back."""

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.results import Run

_SCRIPT = Path(__file__).with_name("orders.lua")
_MORE_SECONDS = 20.0
_RESULT = "RESULT "


class GeneratorError(Exception):
    """The load generator is missing or failed; the message says what to do."""

    code = "generator_failed"


def require_wrk() -> str:
    """Where wrk is.

    Raises:
        GeneratorError: it is not installed.
    """
    path = shutil.which("wrk")
    if path is None:
        raise GeneratorError(
            "The load generator `wrk` is missing: install it (`apt-get install wrk`, or `brew install wrk`)."
        )
    return path


async def run_wrk(
    url: str,
    path: str,
    *,
    connections: int,
    seconds: float,
    key_prefix: str,
    files: Sequence[Path],
    seed: int,
) -> Run:
    """Load `url` + `path` for so long with one thread of wrk; `files` hold one token or body per line.

    Raises:
        GeneratorError: wrk failed, or did not end in time.
    """
    command = [
        require_wrk(), "--threads", "1", "--connections", str(connections), "--duration", f"{seconds:.0f}s",
        "--timeout", "10s", "--script", str(_SCRIPT), url,
        "--", path, key_prefix, *map(str, files), str(seed),
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), seconds + _MORE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise GeneratorError(f"wrk did not end within {seconds + _MORE_SECONDS:.0f} s.") from None
    return read_result(output.decode())


def read_result(output: str) -> Run:
    """The counts that the script prints last.

    Raises:
        GeneratorError: it printed none.
    """
    for line in output.splitlines():
        if line.startswith(_RESULT):
            return msgspec.json.decode(line.removeprefix(_RESULT), type=Run)
    raise GeneratorError(f"wrk gave no result: {output.strip()[-500:]}")
