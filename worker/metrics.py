"""Worker metrics: every number of this process, declared once, each with its meaning."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

from contracts.order_events import SCHEMAS
from kits.observability.metrics import Metrics

_OTHER = "other"
_OWN_FORM = len("2026-11-21T07:00:00.000Z")
_WAY_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0, 3600.0, 86_400.0)


class DeliveryMetrics:
    """What a group that forwards events to a platform tells; times in seconds."""

    def __init__(self, metrics: Metrics, *, group: str) -> None:
        calls = metrics.distribution(
            "delivery_call_seconds", "Duration of a call to the platform, by its kind.", ["kind"]
        )
        self.batch_seconds = calls.labels("batch")
        self.single_seconds = calls.labels("single")
        self.limit_tripped = metrics.gauge(
            "dead_letter_limit_tripped", "1 while nothing is sent because of too many dead letters."
        )
        self.halted = metrics.gauge(
            "worker_halted",
            "1 while every call is refused as wrongly addressed; after a minute the process ends with 3.",
        )
        ways = metrics.distribution(
            "event_end_to_end_seconds",
            "From the commit of an event to its acceptance by the platform, by the two machines' clocks.",
            ["event_type", "group"],
            _WAY_SECONDS,
        )
        kinds = {name.rpartition(".")[0] for name in SCHEMAS} | {_OTHER}
        self._ways = {kind: ways.labels(kind, group) for kind in sorted(kinds)}

    def delivered(self, event_type: str, headers: Iterable[tuple[str, bytes]]) -> None:
        """An event has arrived; one without a readable `ce_time` is not measured."""
        for name, value in headers:
            if name == "ce_time":
                try:
                    began = _seconds_of(value)
                except ValueError:
                    return
                way = self._ways.get(event_type) or self._ways[_OTHER]
                way.observe(max(0.0, time.time() - began))
                return


def _seconds_of(value: bytes) -> float:
    """Seconds since 1970. Events come by the thousand of the same minutes, which are read once."""
    if len(value) == _OWN_FORM and value.endswith(b"Z"):
        return _minute_of(value[:16]) + float(value[17:23])
    return datetime.fromisoformat(value.decode("ascii")).timestamp()


@lru_cache(maxsize=1024)
def _minute_of(value: bytes) -> float:
    return datetime.fromisoformat(value.decode("ascii")).replace(tzinfo=UTC).timestamp()


class ConsumerMetrics:
    """What the members of this process's groups tell."""

    def __init__(self, metrics: Metrics) -> None:
        self.rebalances = metrics.tally(
            "kafka_rebalances_total", "How often the group has given partitions to this process.", ["group"]
        )
        self.rebuilds = metrics.tally(
            "kafka_consumer_rebuilds_total",
            "Readers that were given up and made anew, by the code of the error.",
            ["group", "code"],
        )
        self.left_out = metrics.tally(
            "records_left_out_total", "Records that a light group could not read and passed over.", ["group"]
        )
