"""Request-reply, metrics: what callers wait for, what servers do, and what came too late."""

from kits.observability.metrics import Metrics


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
