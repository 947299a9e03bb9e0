"""What every request of a process passes, outermost first, around the whole of Litestar."""

from litestar import Litestar
from litestar.types import ASGIApp

from kits.observability.metrics import Metrics
from kits.web.middleware.body_limit import BodyLimit
from kits.web.middleware.cors import Cors
from kits.web.middleware.every_answer import EveryAnswer
from kits.web.middleware.methods import Methods
from kits.web.middleware.request_metrics import RequestMetrics
from kits.web.middleware.request_trace import RequestTrace
from kits.web.middleware.turns import TakeTurns, Turns
from kits.web.problems.details import Problems
from kits.web.problems.failures import FailureLog


def build_entrance(
    app: Litestar,
    *,
    problems: Problems,
    turns: Turns,
    metrics: Metrics | None = None,
    cors_origins: frozenset[str] = frozenset(),
) -> Litestar:
    """Wrap the application's routing, and the answers to what it does not route, and give it back.

    Without `metrics` its requests are not measured.

    Litestar's own middleware stands behind the router and would miss 404 and 405. EveryAnswer stands
    twice: what fails inside is measured like any other 500, what fails in the outer layers is answered too.
    """
    failures = FailureLog()
    inner: ASGIApp = BodyLimit(app.asgi_handler, problems)
    answered: ASGIApp = EveryAnswer(inner, problems, failures)
    measured: ASGIApp = RequestMetrics(answered, metrics) if metrics else answered
    methods: ASGIApp = Methods(measured, app)
    outer = EveryAnswer(Cors(methods, cors_origins) if cors_origins else methods, problems, failures)
    app.asgi_handler = TakeTurns(RequestTrace(outer), turns)
    return app
