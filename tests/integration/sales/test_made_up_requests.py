"""Requests made up from the OpenAPI document of the sales, good and bad ones, against the real service."""

import os
import random
from pathlib import Path

import pytest

from tests.conftest import fresh_database
from tests.integration.made_up_requests import schemathesis
from tests.integration.sales.harness import sales, serving
from tests.waiting import patient

CASES = int(os.environ.get("FUZZ_CASES", "100"))
WITHIN_SECONDS = patient(120) * max(1.0, CASES / 100)


@pytest.mark.timeout(WITHIN_SECONDS + 60)
async def test_no_made_up_request_fails_the_service_or_gets_an_answer_that_is_not_documented(
    postgres_server_url: str, tmp_path: Path
) -> None:
    """No 5xx, no undocumented status, header or body."""
    seed = int(os.environ.get("FUZZ_SEED") or random.randrange(2**31))  # noqa: S311
    print(f"FUZZ_SEED={seed}")  # noqa: T201
    async for url in fresh_database(postgres_server_url, ""):
        async with serving(url) as service:
            await service.write([sales(minute) for minute in range(30)])
            report, said = await schemathesis(
                f"http://127.0.0.1:{service.port}", "", tmp_path, seed=seed, per_operation=CASES // 2,
                within_seconds=WITHIN_SECONDS, phases="examples,fuzzing",
            )  # fmt: skip
            assert (report["failures"], report["errors"], report["complete"]) == ([], [], True), said[-6000:]
            assert report["operations"]["tested"] == 1
