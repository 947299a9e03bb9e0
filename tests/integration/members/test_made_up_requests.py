"""Requests made up from the Member API's OpenAPI document, good and bad ones, against the real service."""

import os
import random
from pathlib import Path

import pytest

from tests.integration.api_process import a_token
from tests.integration.made_up_requests import schemathesis
from tests.integration.members.harness import MemberApi
from tests.waiting import patient

CASES = int(os.environ.get("FUZZ_CASES", "100"))
WITHIN_SECONDS = patient(120) * max(1.0, CASES / 100)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.timeout(WITHIN_SECONDS + 60)
async def test_no_made_up_request_fails_the_service_or_gets_an_answer_that_is_not_documented(
    members: MemberApi, tmp_path: Path
) -> None:
    """No 5xx, no undocumented status, header or body; no change without a token."""
    seed = int(os.environ.get("FUZZ_SEED") or random.randrange(2**31))  # noqa: S311
    print(f"FUZZ_SEED={seed}")  # noqa: T201
    report, said = await schemathesis(
        f"http://127.0.0.1:{members.port}",
        a_token("m-1", "members:write"),
        tmp_path,
        seed=seed,
        per_operation=CASES // 2,
        within_seconds=WITHIN_SECONDS,
        # The other two make thousands out of two doors, and nothing that these do not.
        phases="examples,fuzzing",
    )
    print(report["test_cases"], f"{report['running_time']:.1f} s")  # noqa: T201
    assert (report["failures"], report["errors"], report["complete"]) == ([], [], True), said[-6000:]
    assert report["operations"]["tested"] == 2
    ((made, told),) = await members.rows(
        "SELECT (SELECT count(*) FROM member), (SELECT count(*) FROM member_event)"
    )
    assert told >= 2 * made >= 2
