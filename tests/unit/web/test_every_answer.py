"""What nothing else answers ends in a problem, and its traceback in the log once in a while."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from litestar import Litestar, get
from structlog.testing import capture_logs

from kits.observability import repeats
from kits.observability.metrics import Metrics
from kits.resilience import rate_limit
from kits.web.middleware import entrance
from kits.web.middleware.entrance import build_entrance
from kits.web.middleware.every_answer import SECURITY_HEADERS
from kits.web.middleware.problem_handlers import problem_handlers
from kits.web.middleware.turns import Turns
from kits.web.problems.details import Problems
from kits.web.problems.failures import LINES_PER_SECOND, TRACE_SECONDS, FailureLog
from kits.web.problems.http_problems import HTTP_PROBLEMS

LAYERS = ["BodyLimit", "Methods", "RequestMetrics", "Cors"]


class Broken:
    """A layer that fails for every request."""

    def __init__(self, *_args: Any, **_values: Any) -> None:
        pass

    async def __call__(self, *_args: Any) -> None:
        raise TypeError("a bug")


@get("/fine")
async def fine() -> str:
    return "fine"


@get("/broken")
async def broken() -> str:
    raise RuntimeError("a bug of a handler")


class Late:
    """Fails after it has begun to answer."""

    def __init__(self, *_args: Any, **_values: Any) -> None:
        pass

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise TypeError("a bug")


async def ask(path: str = "/fine", handlers: Any = None) -> list[Any]:
    """The messages of one answer."""
    problems = Problems(HTTP_PROBLEMS)
    handlers = problem_handlers(problems) if handlers is None else handlers
    app = Litestar([fine, broken], exception_handlers=handlers, openapi_config=None, logging_config=None)
    origins = frozenset({"https://shop.example"})
    build_entrance(app, turns=Turns(), problems=problems, metrics=Metrics(), cors_origins=origins)
    return await answers_of(app, path)


async def answers_of(app: Litestar, path: str) -> list[Any]:
    sent: list[Any] = []
    scope: Any = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "headers": []}
    scope |= {"query_string": b"", "root_path": "", "state": {}, "app": app, "litestar_app": app}

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app.asgi_handler(scope, receive, send)
    return sent


def require_problem(sent: list[Any]) -> Any:
    """A complete 500."""
    start, body = sent
    headers = dict(start["headers"])
    problem = json.loads(body["body"])
    assert (start["status"], problem["status"], problem["code"]) == (500, 500, "internal_error")
    assert headers[b"content-type"] == b"application/problem+json"
    assert {name: headers[name] for name, _ in SECURITY_HEADERS} == dict(SECURITY_HEADERS)
    assert problem["traceId"]
    assert "bug" not in str(sent)
    return problem


@pytest.mark.parametrize("layer", LAYERS)
async def test_a_layer_that_fails_is_answered_with_a_problem(
    monkeypatch: pytest.MonkeyPatch, layer: str
) -> None:
    """Whichever it is; the trace id of the answer is that of the line with the traceback."""
    monkeypatch.setattr(entrance, layer, Broken)
    with capture_logs() as logs:
        problem = require_problem(await ask())
    (line,) = [line for line in logs if line["event"] == "request_failed"]
    assert line["trace_id"] == problem["traceId"]
    assert isinstance(line["exc_info"], TypeError)


async def test_a_handler_of_exceptions_that_fails_is_answered_with_a_problem() -> None:
    def failing(*_args: Any) -> Any:
        raise ValueError("a bug of the exception handler")

    with capture_logs() as logs:
        require_problem(await ask("/broken", {Exception: failing}))
    assert [line["event"] for line in logs] == ["request_failed"]


async def test_an_answer_that_has_begun_is_not_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server closes the connection of an answer that stays incomplete."""
    monkeypatch.setattr(entrance, "BodyLimit", Late)
    with capture_logs() as logs:
        sent = await ask()
    assert [message["type"] for message in sent] == ["http.response.start"]
    assert [line["event"] for line in logs] == ["request_failed"]


def raise_it(error: Exception) -> None:
    raise error


def raised(error: Exception) -> Exception:
    """With the place where it was raised: always the same."""
    try:
        raise_it(error)
    except Exception as caught:  # noqa: BLE001 - given back
        return caught
    raise AssertionError("nothing was raised")


def test_a_cause_has_its_traceback_once_a_minute_and_few_lines_beside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten thousand failing requests leave what a person can read."""
    now = [0.0]
    for module in (repeats, rate_limit):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    failures = FailureLog()
    scope: Any = {"type": "http", "method": "GET", "path": "/"}
    with capture_logs() as logs:
        for number in range(10_000):
            failures.add(raised(LookupError(f"each says something else: {number}")), scope)
        assert [bool(line["exc_info"]) for line in logs] == [True] + [False] * LINES_PER_SECOND
        failures.add(raised(TypeError("another cause")), scope)
        assert logs[-1]["exc_info"]
        now[0] = TRACE_SECONDS
        failures.add(raised(LookupError("again")), scope)
    assert (bool(logs[-1]["exc_info"]), logs[-1]["count"]) == (True, 10_000)
