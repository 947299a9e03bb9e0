"""Logs what failed while a request was worked on: the traceback once in a while, a line for others."""

import traceback

from litestar.types import Scope

from kits.observability.logs import get_logger
from kits.observability.repeats import Repeats
from kits.observability.traces import current_traceparent, trace_id
from kits.resilience.rate_limit import RateLimiter

log = get_logger(__name__)

TRACE_SECONDS = 60.0
LINES_PER_SECOND = 10


class FailureLog:
    """`request_failed` lines: whoever can cause a failure by a request must not fill a disk by it.

    A cause is the kind of the exception and the line that raised it. Its first failure is logged with the
    traceback, and one per minute of the following ones, with how many there were. The others get a short line
    with their trace id, all together at most 10 per second.
    """

    def __init__(self) -> None:
        self._traces = Repeats(every_seconds=TRACE_SECONDS)
        self._lines = RateLimiter(LINES_PER_SECOND, burst=LINES_PER_SECOND, max_keys=1)

    def add(self, error: BaseException, scope: Scope) -> None:
        """One request failed with this."""
        cause = _cause_of(error)
        count = self._traces.due(cause)
        if not count and self._lines.admit("") > 0:
            return
        log.error(
            "request_failed",
            exc_info=error if count else None,
            cause=cause,
            count=count or 1,
            method=scope.get("method", ""),
            route=scope.get("path_template", ""),
            trace_id=trace_id(current_traceparent.get()),
            action="report a bug with this trace" if count else "see the traceback of the same cause",
        )


def _cause_of(error: BaseException) -> str:
    frames = list(traceback.walk_tb(error.__traceback__))
    places = [f" at {frame.f_code.co_filename}:{line}" for frame, line in frames[-1:]]
    return "".join([type(error).__name__, *places])
