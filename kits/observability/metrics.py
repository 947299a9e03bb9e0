"""Metrics: counters, gauges and histograms of one process, rendered for Prometheus."""

from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

LATENCY_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Cell:
    """One number of a tally, for one event loop: no lock is taken."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self, amount: int = 1) -> None:
        """Count."""
        self.value += amount


class Tally(Collector):
    """A counter whose cost is that of an addition; to Prometheus it looks like any other."""

    def __init__(self, name: str, meaning: str, labels: Sequence[str]) -> None:
        self._name = name
        self._meaning = meaning
        self._labels = labels
        self._cells: dict[tuple[str, ...], Cell] = {}
        if not labels:
            self.labels()

    def labels(self, *values: str) -> Cell:
        """The number for these label values; keep it where it is counted often."""
        return self._cells.setdefault(values, Cell())

    def collect(self) -> Iterable[Metric]:
        """Its numbers now."""
        family = CounterMetricFamily(self._name, self._meaning, labels=self._labels)
        for values, cell in self._cells.items():
            family.add_metric(values, cell.value)
        return [family]


class Metrics:
    """The metrics of one process. Each process declares its own in its `metrics.py`, with their meaning."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)

    def counter(self, name: str, meaning: str, labels: Sequence[str] = ()) -> Counter:
        """A number that only grows; `name` ends in `_total`."""
        return Counter(name, meaning, labels, registry=self._registry)

    def tally(self, name: str, meaning: str, labels: Sequence[str] = ()) -> "Tally":
        """A counter for what happens ten thousand times a second; `name` ends in `_total`."""
        tally = Tally(name, meaning, labels)
        self._registry.register(tally)
        return tally

    def gauge(self, name: str, meaning: str, labels: Sequence[str] = ()) -> Gauge:
        """A number that goes up and down."""
        return Gauge(name, meaning, labels, registry=self._registry)

    def observed(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """A gauge that is read at the moment of the scrape."""
        Gauge(name, meaning, registry=self._registry).set_function(read)

    def histogram(
        self, name: str, meaning: str, labels: Sequence[str] = (), buckets: Sequence[float] = LATENCY_SECONDS
    ) -> Histogram:
        """A distribution; durations in seconds."""
        return Histogram(name, meaning, labels, registry=self._registry, buckets=buckets)

    def render(self) -> bytes:
        """All metrics in the Prometheus text format."""
        return generate_latest(self._registry)
