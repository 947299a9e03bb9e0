"""What every request of a process passes, outermost first, around the whole of Litestar."""

from litestar import Litestar
from litestar.types import ASGIApp

from kits.observability.metrics import Metrics
from kits.web.cors import Cors
from kits.web.interruption import Interruption
from kits.web.limits import MAX_BODY_BYTES, BodyLimit
from kits.web.methods import Methods
from kits.web.problems import Problems
from kits.web.request_metrics import RequestMetrics
from kits.web.request_trace import RequestTrace
from kits.web.response_headers import ResponseHeaders


def build_entrance(
    app: Litestar,
    *,
    problems: Problems,
    metrics: Metrics,
    max_body_bytes: int = MAX_BODY_BYTES,
    cors_origins: frozenset[str] = frozenset(),
) -> Litestar:
    """Wrap the application's routing, and the answers to what it does not route, and give it back.

    Litestar's own middleware stands behind the router and would miss 404 and 405.
    """
    inner: ASGIApp = BodyLimit(app.asgi_handler, problems, max_bytes=max_body_bytes)
    answered = Interruption(RequestTrace(inner), problems)
    measured = RequestMetrics(ResponseHeaders(answered), metrics)
    methods = Methods(measured, app)
    app.asgi_handler = Cors(methods, cors_origins) if cors_origins else methods
    return app
