"""The metrics of the sales, each with its meaning."""

from kits.observability.metrics import Metrics


class TableMetrics:
    """Of the serving role. HTTP requests are counted by kits.web."""

    def __init__(self, metrics: Metrics) -> None:
        self.left_out = metrics.tally(
            "sales_records_left_out_total", "Records of the sales topics that are none of the stream's."
        ).labels()
        self._lag = metrics.gauge(
            "sales_table_lag_records", "Records of the build's topic that its table does not have.", ["build"]
        )
        self._shown: set[str] = set()

    def show_lag(self, build: str, lag: int) -> None:
        """What is missing now."""
        self._shown.add(build)
        self._lag.labels(build).set(lag)

    def forget(self, build: str) -> None:
        """Nobody follows this build any more."""
        if build in self._shown:
            self._shown.remove(build)
            self._lag.remove(build)


class StreamMetrics:
    """Of the streaming role; lag and members of the group are kafka_consumer_…."""

    def __init__(self, metrics: Metrics) -> None:
        self.records = metrics.tally(
            "sales_stream_records_total", "Records read, those between the stream's own steps included."
        ).labels()
        self.dead_letters = metrics.tally(
            "sales_stream_dead_letters_total",
            "Records of which nothing could be made, by the reason.",
            ["code"],
        )
        self.left_out = metrics.tally(
            "sales_stream_records_left_out_total", "Records of strangers between the stream's own steps."
        ).labels()
        self.starts = metrics.tally(
            "sales_stream_engine_starts_total", "How often the engine's process was started."
        ).labels()
        self.commit_age = metrics.gauge(
            "sales_stream_commit_age_seconds",
            "How long the group has not moved while records wait; 0 while it is at the end.",
        )
