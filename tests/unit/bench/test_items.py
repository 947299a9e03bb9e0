"""The arithmetic of what a seller costs."""

from bench.items import ItemsReport, goals, items_table


def test_the_median_of_the_rounds_ratios_counts_and_one_slow_page_of_a_hundred_does_not() -> None:
    """A round on a busy machine disturbs both sides of it, and no other round."""
    own, sold = [100.0, 900.0, 100.0], [105.0, 990.0, 130.0]
    found = goals(own, sold, [1000.0] * 40, [1.0] * 99 + [500.0])
    assert [round(goal.value, 3) for goal in found] == [1.1, 1000.0, 1.0]
    assert all(goal.reached for goal in found)
    slow = goals(own, [200.0] * 3, [1300.0], [21.0] * 100)
    assert [goal.reached for goal in slow] == [False, False, False]
    report = ItemsReport(
        machine={}, own_us=own, sold_us=sold, own_cpu_us=own, sold_cpu_us=sold, at_first_ms=[], open_ms=[],
        complaints=["a page was not shown"], goals=slow,
    )  # fmt: skip
    assert "NOT REACHED" in items_table(report)
    assert "WRONG: a page was not shown" in items_table(report)
