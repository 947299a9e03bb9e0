"""Thousands of requests made up from the OpenAPI document, good and bad ones, against the real service.

FUZZ_CASES asks for more of them than the suite's bounded run has; FUZZ_SEED repeats a run.
"""

import json
import os
import random
import re
import string
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.integration.api.raw import exchange, message
from tests.integration.api_process import ApiProcess, a_token, api_process, run_app
from tests.integration.made_up_requests import schemathesis
from tests.waiting import patient

CASES = int(os.environ.get("FUZZ_CASES", "600"))
WITHIN_SECONDS = patient(60) * max(1.0, CASES / 600)
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
            api.url,
            a_token("c-1", "orders:fulfil", "orders:pay", "catalogue:write"),
            tmp_path,
            seed=seed,
            per_operation=CASES * 2 // 3 // operations,
            within_seconds=WITHIN_SECONDS * 4,
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
    assert events >= orders >= 4
    assert "request_failed" not in api.process.log_path.read_text()
