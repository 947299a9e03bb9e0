"""Runs schemathesis: requests made up from a service's OpenAPI document, good and bad ones."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

# A refusal by a service's state is 409, 412 or 422, whatever the schema says: only the service knows it.
_CONFIGURATION = """
[generation]
database = "none"
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "304", "401", "403", "404", "409", "412", "422"]
"""


async def schemathesis(
    url: str,
    token: str,
    directory: Path,
    *,
    seed: int,
    per_operation: int,
    within_seconds: float,
    phases: str = "examples,coverage,fuzzing,stateful",
) -> tuple[Any, str]:
    """The report of a run against this address by the holder of this token, and what it said."""
    (directory / "schemathesis.toml").write_text(_CONFIGURATION)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "run", f"{url}/docs/openapi.json",
        "--header", f"Authorization: Bearer {token}",
        "--seed", str(seed), "--no-color", "--phases", phases,
        "--max-examples", str(per_operation), "--continue-on-failure", "--request-timeout", "60",
        "--report", "json", "--report-json-path", "report.json",
        cwd=directory, env={**os.environ, "NO_PROXY": "*"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        said, _ = await asyncio.wait_for(process.communicate(), within_seconds)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return json.loads((directory / "report.json").read_text()), said.decode()
