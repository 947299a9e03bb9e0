"""Metrics: counters, gauges and histograms of one process, rendered for Prometheus."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

# A second series per counter, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]

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


class DistributionCell:
    """One distribution, for one event loop: no lock is taken."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value


class Distribution(Collector):
    """A histogram whose cost is that of an addition; to Prometheus it looks like any other."""

    def __init__(self, name: str, meaning: str, labels: Sequence[str], bounds: Sequence[float]) -> None:
        self._name = name
        self._meaning = meaning
        self._labels = labels
        self._bounds = bounds
        self._cells: dict[tuple[str, ...], DistributionCell] = {}

    def labels(self, *values: str) -> DistributionCell:
        """The distribution for these label values; keep it where it is counted often."""
        return self._cells.setdefault(values, DistributionCell(self._bounds))

    def collect(self) -> Iterable[Metric]:
        """Its numbers now."""
        family = HistogramMetricFamily(self._name, self._meaning, labels=self._labels)
        names = [*map(floatToGoString, self._bounds), "+Inf"]
        for values, cell in self._cells.items():
            buckets = [
                (name, float(count)) for name, count in zip(names, accumulate(cell.counts), strict=True)
            ]
            family.add_metric(values, buckets, cell.total)
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

    def distribution(
        self, name: str, meaning: str, labels: Sequence[str], bounds: Sequence[float] = LATENCY_SECONDS
    ) -> Distribution:
        """A histogram for what happens ten thousand times a second; durations in seconds."""
        distribution = Distribution(name, meaning, labels, bounds)
        self._registry.register(distribution)
        return distribution

    def render(self) -> bytes:
        """All metrics in the Prometheus text format."""
        return generate_latest(self._registry)
