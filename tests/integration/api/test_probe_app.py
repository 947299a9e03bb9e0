"""A process of probes alone."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from kits.observability.health import CheckResult, Health, Status
from kits.observability.metrics import Metrics
from kits.web.middleware.turns import Turns
from kits.web.probes import create_probe_app
from kits.web.server.serving import serve
from tests.integration.api.raw import exchange, message
from tests.waiting import patient


class Check:
    """A check that finds what it is told."""

    name = "platform"
    found = CheckResult(Status.OK)

    async def check(self) -> CheckResult:
        return self.found


@pytest.fixture
async def probed() -> AsyncIterator[tuple[int, Check]]:
    """The port of a process, and its one check."""
    check, stop = Check(), asyncio.Event()
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    app = create_probe_app(Health([check]), Metrics(), Turns())
    serving = asyncio.create_task(serve(app, host="127.0.0.1", port=0, stop=stop, ready=listening.set_result))
    yield await asyncio.wait_for(listening, patient(60)), check
    stop.set()
    await asyncio.wait_for(serving, patient(60))


@pytest.mark.parametrize(
    ("status", "answered"), [(Status.OK, 200), (Status.DEGRADED, 200), (Status.UNREADY, 503)]
)
async def test_readiness_follows_the_worst_check_and_names_it(
    probed: tuple[int, Check], status: Status, answered: int
) -> None:
    port, check = probed
    check.found = CheckResult(status, "It is so.")
    reply = await exchange(port, message("GET", "/readyz"))
    assert reply.status == answered
    assert reply.json == {
        "status": status,
        "checks": {"platform": {"status": status, "detail": "It is so."}},
    }


async def test_liveness_does_not_depend_on_any_check(probed: tuple[int, Check]) -> None:
    port, check = probed
    check.found = CheckResult(Status.UNREADY)
    assert (await exchange(port, message("GET", "/livez"))).status == 200


async def test_metrics_are_plain_text_for_prometheus(probed: tuple[int, Check]) -> None:
    reply = await exchange(probed[0], message("GET", "/metrics"))
    assert reply.headers["content-type"].startswith("text/plain")
    assert b"# TYPE process_cpu_seconds_total counter" in reply.body


async def test_everything_else_is_a_problem(probed: tuple[int, Check]) -> None:
    port, _ = probed
    assert (await exchange(port, message("GET", "/orders"))).problem()["code"] == "not_found"
    assert (await exchange(port, message("POST", "/livez"))).problem()["code"] == "method_not_allowed"
