"""Thousands of requests made up from the OpenAPI document, good and bad ones, against the real service.

FUZZ_CASES asks for more of them than the suite's bounded run has; FUZZ_SEED repeats a run.
"""

import asyncio
import json
import os
import random
import re
import string
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.integration.api.raw import exchange, message
from tests.integration.api_process import ApiProcess, a_token, api_process, run_app
from tests.waiting import patient

CASES = int(os.environ.get("FUZZ_CASES", "600"))
WITHIN_SECONDS = patient(60) * max(1.0, CASES / 600)
# A refusal by the shop's state is 409 or 422, whatever the schema says: only the shop knows its coupons.
CONFIGURATION = """
[generation]
database = "none"
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "304", "401", "403", "404", "409", "412", "422"]
"""
FIRST = string.ascii_letters + string.digits


def catalogue() -> bytes:
    """Every short id that a generator is likely to think of, so that many made-up orders can be placed."""
    ids = ["p-1", *FIRST, *(first + second for first in FIRST for second in FIRST + "._-")]
    lines: list[dict[str, Any]] = [
        {"type": "product", "id": one, "name": "Thing", "price": 5, "currency": "KRW", "stock": 10**9}
        | ({"sellerId": "m-1"} if one == "p-1" else {})
        for one in ids
    ]
    lines += [
        {"type": "coupon", "code": one, "kind": "percent", "value": 10}
        for one in ["WELCOME10", *string.ascii_uppercase, *string.digits]
    ]
    return b"\n".join(json.dumps(line).encode() for line in lines)


@pytest.fixture
async def api(tmp_path: Path, database_url: str) -> AsyncIterator[ApiProcess]:
    """A service with a full shop."""
    await run_app(database_url, "catalogue", "import", "-", given=catalogue())
    async with api_process(tmp_path, database_url) as running:
        yield running


async def schemathesis(api: ApiProcess, directory: Path, *, seed: int, per_operation: int) -> tuple[Any, str]:
    """The report of a run, and what it said."""
    (directory / "schemathesis.toml").write_text(CONFIGURATION)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "run", f"{api.url}/docs/openapi.json",
        "--header", f"Authorization: Bearer {a_token('c-1', 'orders:fulfil')}",
        "--seed", str(seed), "--no-color",
        "--max-examples", str(per_operation), "--continue-on-failure", "--request-timeout", "60",
        "--report", "json", "--report-json-path", "report.json",
        cwd=directory, env={**os.environ, "NO_PROXY": "*"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        said, _ = await asyncio.wait_for(process.communicate(), WITHIN_SECONDS * 4)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return json.loads((directory / "report.json").read_text()), said.decode()


@pytest.mark.timeout(WITHIN_SECONDS * 4 + 60)
async def test_no_made_up_request_fails_the_service_or_gets_an_answer_that_is_not_documented(
    api: ApiProcess, tmp_path: Path, database_url: str
) -> None:
    """No 5xx, no undocumented status, header or body; no request without a token; links are followed."""
    seed = int(os.environ.get("FUZZ_SEED") or random.randrange(2**31))  # noqa: S311
    print(f"FUZZ_SEED={seed}")  # noqa: T201
    document = (await exchange(api.port, message("GET", "/docs/openapi.json"))).json
    operations = sum(len(methods) for methods in document["paths"].values())
    generated = 0
    while generated < CASES:
        report, said = await schemathesis(
            api, tmp_path, seed=seed, per_operation=CASES * 2 // 3 // operations
        )
        print(report["test_cases"], f"{report['running_time']:.1f} s")  # noqa: T201
        assert (report["failures"], report["errors"], report["complete"]) == ([], [], True), said[-6000:]
        assert report["operations"]["tested"] == operations
        assert {name: phase["status"] for name, phase in report["phases"].items()} == dict.fromkeys(
            ("examples", "coverage", "fuzzing", "stateful"), "success"
        )
        followed = re.search(r"API Links: +(\d+) covered / (\d+) selected", said)
        assert followed is not None, said[-6000:]
        # Many are inferred, and some begin at answers that need luck.
        assert int(followed[1]) >= 4, followed[0]
        generated += report["test_cases"]["generated"]
        seed += 1
    connection = await asyncpg.connect(database_url)
    orders, events = await connection.fetchrow(
        "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM outbox_event)"
    )
    await connection.close()
    print(f"{orders} orders")  # noqa: T201
    assert events >= orders >= 20
    assert "request_failed" not in api.process.log_path.read_text()
