"""The latency's own arithmetic: which of fifty values are the percentiles, and what counts as reached."""

import math

from bench.latency import LatencyReport, goals, latency_table, percentile


def test_a_percentile_is_a_value_that_was_measured() -> None:
    """The nearest rank; of fifty values the highest is the 99th, and none at all is no speed."""
    values = [float(value) for value in range(50, 0, -1)]
    assert (percentile(values, 50), percentile(values, 99), percentile([7.0], 50)) == (25.0, 50.0, 7.0)
    assert percentile([], 50) == math.inf


def test_one_slow_order_of_fifty_is_seen() -> None:
    """The median may be good; the table says which goal is not reached, and what did not arrive."""
    milliseconds = [20.0] * 49 + [151.0]
    found = goals(milliseconds)
    assert [goal.reached for goal in found] == [True, False]
    report = LatencyReport(
        machine={}, milliseconds=milliseconds, complaints=["1 orders did not arrive."], goals=found
    )
    assert "NOT REACHED" in latency_table(report)
    assert "WRONG: 1 orders did not arrive." in latency_table(report)
