"""Request-reply, metrics: what callers wait for, what servers do, and what came too late."""

import time
from types import TracebackType

from kits.observability.metrics import Metrics
from kits.rpc.errors import RpcError, RpcOverloadedError, RpcTimeoutError, RpcUnavailableError

_OUTCOMES: dict[type[BaseException], str] = {
    RpcTimeoutError: "timeout",
    RpcUnavailableError: "unavailable",
    RpcOverloadedError: "overloaded",
}


class CallMetrics:
    """The caller's side. `outcome`: ok, refused (the service said no), timeout, unavailable, overloaded."""

    def __init__(self, metrics: Metrics) -> None:
        self.round_trip_seconds = metrics.distribution(
            "rpc_call_seconds", "From a request to its last reply, by how it ended.", ["pattern", "outcome"]
        )
        self.late = metrics.tally(
            "rpc_late_replies_total", "Replies to calls of this process that nobody waits for any more."
        ).labels()
        self.waiting = metrics.gauge("rpc_calls_in_flight", "Calls that wait for their reply.")


class Timed:
    """Measures what happens in its block, by how that ends. (A generator would cost three times as much.)"""

    __slots__ = ("_began", "_metrics", "_topic")

    def __init__(self, metrics: CallMetrics, topic: str) -> None:
        self._metrics = metrics
        self._topic = topic
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        outcome = "ok"
        if kind is not None:
            outcome = _OUTCOMES.get(kind, "refused") if issubclass(kind, RpcError) else "given_up"
        took = time.perf_counter() - self._began
        self._metrics.round_trip_seconds.labels(self._topic, outcome).observe(took)


class ServerMetrics:
    """The service's side. `outcome`: ok, refused, unreadable, failed, expired, repeated, dead_letter."""

    def __init__(self, metrics: Metrics) -> None:
        self.handled_seconds = metrics.distribution(
            "rpc_handler_seconds", "Duration of handling a request or event, by how it ended.",
            ["pattern", "outcome"],
        )  # fmt: skip
        self.in_flight = metrics.gauge(
            "rpc_requests_in_flight", "Requests and events that are being handled or wait behind their key."
        )
