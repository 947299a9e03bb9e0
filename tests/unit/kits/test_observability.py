"""Logs, health and trace context."""

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina
import structlog
from structlog.testing import capture_logs

from kits.observability import health
from kits.observability.health import CheckResult, Health, HealthCheck, Status
from kits.observability.logs import LogSettings, configure_logging, get_logger
from kits.observability.metrics import Metrics
from kits.observability.traces import continue_trace, current_traceparent, trace_id


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    """A configured log; the machinery is put back afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield tmp_path / "log.jsonl"
    for handler in root.handlers:
        if isinstance(handler, logging.FileHandler):
            handler.close()
    logging.basicConfig(handlers=handlers, level=level, force=True)
    structlog.reset_defaults()


def lines(path: Path) -> list[dict[str, object]]:
    """What was written."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_says_who_wrote_it_and_hides_secrets(log_file: Path) -> None:
    """Whatever a caller passes by mistake."""
    configure_logging(process="api", settings=LogSettings(level="info", format="json", file=str(log_file)))
    get_logger("app.somewhere").info(
        "thing_happened", order_id="o-1", jwt_token="abc", Authorization="Bearer x"
    )
    (line,) = lines(log_file)
    assert (line["event"], line["process"], line["logger"]) == ("thing_happened", "api", "app.somewhere")
    assert (line["order_id"], line["jwt_token"], line["Authorization"]) == ("o-1", "***", "***")
    assert str(line["timestamp"]).endswith("Z")


def test_a_line_says_to_which_trace_its_work_belongs(log_file: Path) -> None:
    """The lines of all processes that worked on it have one id; outside of any work there is none."""
    configure_logging(process="api", settings=LogSettings(level="info", format="json", file=str(log_file)))
    log = get_logger("app.somewhere")
    log.info("outside")
    token = current_traceparent.set(f"00-{'ab' * 16}-{'cd' * 8}-01")
    try:
        log.info("inside")
        logging.getLogger("some.library").warning("inside too")
        log.info("told", trace_id="another")
    finally:
        current_traceparent.reset(token)
    assert [line.get("trace_id") for line in lines(log_file)] == [None, "ab" * 16, "ab" * 16, "another"]


def test_the_level_is_ours_and_libraries_are_heard_from_warning_on(log_file: Path) -> None:
    """Debug of the product is not debug of everything."""
    configure_logging(process="api", settings=LogSettings(level="debug", format="json", file=str(log_file)))
    get_logger("app.somewhere").debug("detail")
    logging.getLogger("some.library").info("chatter")
    logging.getLogger("some.library").warning("trouble %s", "here")
    assert [line["event"] for line in lines(log_file)] == ["detail", "trouble here"]


def test_an_exception_is_logged_with_its_trace(log_file: Path) -> None:
    """The reader of the log needs it more than the caller."""
    configure_logging(process="api", settings=LogSettings(format="json", file=str(log_file)))
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        get_logger("app.somewhere").exception("failed")
    assert "ZeroDivisionError" in str(lines(log_file)[0]["exception"])


def test_the_console_shows_a_trace_without_local_variables(
    log_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They may hold a token or a customer's order."""
    token = "hunter2"
    configure_logging(process="api", settings=LogSettings(format="console", file=str(log_file)))
    try:
        _ = token[99]
    except IndexError:
        get_logger("app.somewhere.else").exception("failed")
    shown = capsys.readouterr().err
    assert "IndexError" in shown
    assert "hunter2" not in shown


class Check(HealthCheck):
    """A check that finds what it is told."""

    def __init__(self, name: str, status: Status) -> None:
        self.name = name
        self.status = status

    async def check(self) -> CheckResult:
        return CheckResult(self.status)


@pytest.mark.parametrize(
    ("statuses", "worst"),
    [
        ([Status.OK, Status.OK], Status.OK),
        ([Status.OK, Status.DEGRADED], Status.DEGRADED),
        ([Status.UNREADY, Status.DEGRADED], Status.UNREADY),
    ],
)
async def test_a_process_is_as_well_as_its_worst_check(statuses: list[Status], worst: Status) -> None:
    """And each check is told by name."""
    report = await Health([Check(str(number), status) for number, status in enumerate(statuses)]).report()
    assert report.status is worst
    assert [result.status for result in report.checks.values()] == statuses


async def test_a_draining_process_is_unready() -> None:
    """So that nothing new is sent to it."""
    checks = Health([Check("database", Status.OK)])
    checks.drain()
    assert (await checks.report()).status is Status.UNREADY


async def test_a_check_that_hangs_is_unready_within_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe must answer."""
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.01)

    class Stuck(Check):
        async def check(self) -> CheckResult:
            await asyncio.Event().wait()
            return CheckResult(Status.OK)

    report = await Health([Stuck("stuck", Status.OK)]).report()
    assert report.checks["stuck"].status is Status.UNREADY


async def test_a_check_that_fails_is_unready_and_leaves_its_trace_once() -> None:
    """A probe never answers 500."""

    class Broken(Check):
        async def check(self) -> CheckResult:
            raise KeyError("typo")

    health = Health([Broken("broken", Status.OK)])
    with capture_logs() as lines:
        reports = [await health.report() for _ in range(3)]
    assert {report.checks["broken"].status for report in reports} == {Status.UNREADY}
    assert [line["event"] for line in lines] == ["health_check_failed"]


def test_a_trace_is_continued_with_a_span_of_our_own() -> None:
    """W3C Trace Context: same trace id, new parent id."""
    received = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    ours = continue_trace(received)
    assert trace_id(ours) == "0af7651916cd43dd8448eb211c80319c"
    assert ours != received


@pytest.mark.parametrize(
    "received", [None, "", "rubbish", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "00-x\n"]
)
def test_a_missing_or_malformed_trace_begins_a_new_one(received: str | None) -> None:
    """It is never passed on."""
    assert len(trace_id(continue_trace(received))) == 32


def test_metrics_render_in_the_prometheus_format() -> None:
    """With their meaning."""
    metrics = Metrics()
    metrics.counter("orders_total", "Orders.").inc()
    assert b"# HELP orders_total Orders.\n# TYPE orders_total counter\norders_total 1.0" in metrics.render()


def test_a_tally_looks_like_a_counter_and_each_label_counts_for_itself() -> None:
    """What is counted ten thousand times a second costs an addition; a scrape sees no difference."""
    metrics = Metrics()
    metrics.tally("events_total", "Events.").labels().inc()
    by_outcome = metrics.tally("answers_total", "Answers.", ["outcome"])
    by_outcome.labels("accepted").inc(2)
    by_outcome.labels("accepted").inc()
    by_outcome.labels("rejected").inc()
    text = metrics.render()
    assert b"# HELP events_total Events.\n# TYPE events_total counter\nevents_total 1.0" in text
    assert b'answers_total{outcome="accepted"} 3.0\nanswers_total{outcome="rejected"} 1.0' in text


def test_a_distribution_looks_like_a_histogram_and_counts_up_to_each_bound() -> None:
    """The cheap one and the library's render the same."""
    shown = []
    for make in (Metrics.distribution, Metrics.histogram):
        metrics = Metrics()
        made = make(metrics, "way_seconds", "Ways.", ["kind"], (0.5, 1.0))
        for kind, value in (("a", 0.2), ("a", 0.5), ("a", 0.7), ("b", 9.0)):
            made.labels(kind).observe(value)
        lines = metrics.render().decode().splitlines()
        shown.append([line for line in lines if "way_seconds" in line])
    assert shown[0] == shown[1]
    assert 'way_seconds_bucket{kind="a",le="0.5"} 2.0' in shown[0]


async def test_work_that_is_tried_again_is_told_with_its_reason_and_without_its_arguments(
    log_file: Path,
) -> None:
    """The retrying library's own line has no action, and shows what the work was called with."""
    configure_logging(process="api", settings=LogSettings(file=str(log_file)))
    failures = [ConnectionError("hunter2")]

    async def work(secret: str) -> str:
        if failures:
            raise failures.pop()
        return secret

    with stamina.set_testing(True, attempts=2):
        assert await stamina.AsyncRetryingCaller().on(ConnectionError)(work, "hunter2") == "hunter2"
    told = log_file.read_text()
    (line,) = [json.loads(text) for text in told.splitlines()]
    assert (line["event"], line["reason"], line["attempt"]) == ("work_repeated", "ConnectionError", 1)
    assert "hunter2" not in told
