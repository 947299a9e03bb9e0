"""Counts the tokens that are refused, and lets the log say so without a line for each."""

from kits.observability.logs import get_logger
from kits.observability.metrics import Metrics
from kits.observability.repeats import Repeats
from kits.web.tokens.claims import InvalidTokenError, TokenFault

log = get_logger(__name__)

LINE_SECONDS = 10.0


class RefusedTokens:
    """`tokens_refused_total` by reason, and a line for each at most every 10 s, with their number."""

    def __init__(self, metrics: Metrics) -> None:
        self._counter = metrics.counter(
            "tokens_refused_total", "Requests whose bearer token was refused with 401, by reason.", ["reason"]
        )
        for fault in TokenFault:
            self._counter.labels(fault.value)
        self._lines = Repeats(every_seconds=LINE_SECONDS)

    def add(self, error: InvalidTokenError) -> None:
        """One request was refused for this; nothing of the token itself is kept."""
        self._counter.labels(error.fault.value).inc()
        count = self._lines.due(error.fault)
        if count:
            log.warning(
                "tokens_refused",
                reason=error.fault.value,
                count=count,
                detail=str(error),
                cause=type(error.__cause__).__name__ if error.__cause__ else "",
                action="none for single ones; many of one reason: compare issuer, audience, keys and clocks",
            )
