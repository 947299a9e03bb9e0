"""Health: each stage offers a check, the container collects them, the probes answer from the report."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from kits.observability.logs import get_logger
from kits.observability.repeats import Repeats

log = get_logger(__name__)

CHECK_SECONDS = 2.0


class Status(StrEnum):
    """What a check found; ordered by how bad it is."""

    OK = "ok"
    DEGRADED = "degraded"
    """Something is away, but this process can still do its work."""
    UNREADY = "unready"
    """This process cannot do its work now."""


class CheckResult(msgspec.Struct, frozen=True):
    """What one check found, with a sentence for the operator when it is not ok."""

    status: Status
    detail: str = ""


class HealthCheck(Protocol):
    """One question about one stage. It must answer quickly and never raise for a known fault."""

    name: str

    async def check(self) -> CheckResult:
        """The state of this stage, now."""
        ...


class HealthReport(msgspec.Struct, frozen=True):
    """The worst status of all checks, and each of them by name."""

    status: Status
    checks: dict[str, CheckResult]


class Health:
    """All checks of one process."""

    def __init__(self, checks: Sequence[HealthCheck]) -> None:
        self._checks = checks
        self._failures = Repeats(every_seconds=60.0)
        self._draining = False

    def drain(self) -> None:
        """From now on the process is unready: a load balancer sends it nothing new."""
        self._draining = True

    async def report(self) -> HealthReport:
        """Run all checks side by side, each bounded by two seconds.

        One that fails is unready; the log has its trace, once a minute.
        """
        results = await asyncio.gather(*(self._bounded(check) for check in self._checks))
        found = {check.name: result for check, result in zip(self._checks, results, strict=True)}
        if self._draining:
            found["process"] = CheckResult(Status.UNREADY, "The process is draining and takes no new work.")
        statuses = {result.status for result in found.values()}
        worst = next((s for s in (Status.UNREADY, Status.DEGRADED) if s in statuses), Status.OK)
        return HealthReport(worst, found)

    async def _bounded(self, check: HealthCheck) -> CheckResult:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                return await check.check()
        except TimeoutError:
            return CheckResult(
                Status.UNREADY, f"The check {check.name} did not answer within {CHECK_SECONDS:.0f} s."
            )
        except Exception as error:
            if self._failures.due(check.name):
                log.exception("health_check_failed", check=check.name, action="report a bug with this trace")
            return CheckResult(
                Status.UNREADY,
                f"The check {check.name} failed ({type(error).__name__}); the log has its trace.",
            )
