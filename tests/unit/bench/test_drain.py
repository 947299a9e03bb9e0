"""The drain's own arithmetic: what the backlog holds, what the stand-in counts, what counts as reached."""

from collections import defaultdict
from random import Random

from bench.drain.events import EVENTS_PER_ORDER, backlog
from bench.drain.platform import Arrivals
from bench.drain.report import CASES, drain_table, goals, wrong
from bench.drain.results import Drain, DrainReport, Memory
from contracts.envelope import headers_of, read_envelope


def a_drain(per_second: float, *, violations: int = 0, repeats: int = 0, uncommitted: int = 0) -> Drain:
    """One second of draining."""
    return Drain(
        events=int(per_second),
        seconds=1.0,
        written_seconds=0.1,
        worker_cpu_us=30.0,
        platform_cores=0.1,
        calls=1,
        repeats=repeats,
        violations=violations,
        uncommitted=uncommitted,
    )


def test_the_backlog_is_readable_and_each_order_counts_from_one() -> None:
    """Every event passes the reader's own checks, headers included; about 400 bytes each."""
    seqs: dict[str, list[int]] = defaultdict(list)
    sizes: list[int] = []
    for message in backlog(20, Random(7)):  # noqa: S311 - load, no secret
        envelope = read_envelope(message.payload, headers_of(message))
        seqs[envelope.order_id].append(envelope.seq)
        sizes.append(len(message.payload))
    assert len(seqs) == 20
    assert all(numbers == list(range(1, EVENTS_PER_ORDER + 1)) for numbers in seqs.values())
    assert 380 < sum(sizes) / len(sizes) < 450


def test_the_same_seed_makes_the_same_backlog() -> None:
    """A report's seed repeats its load."""
    first, again, other = (
        [message.event_id for message in backlog(3, Random(seed))]  # noqa: S311 - load, no secret
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_the_stand_in_tells_a_repeat_from_an_event_out_of_order() -> None:
    """A number that came before is a repeat; one that leaves numbers out came too early."""
    arrivals = Arrivals()
    for seq in (1, 2, 2, 1, 5, 6):
        arrivals.note("o-1", seq)
    arrivals.note("o-2", 1)
    counts = arrivals.counts
    assert (counts.events, counts.repeats, counts.violations) == (7, 2, 1)


def test_goals_are_medians_beside_their_floor() -> None:
    """One disturbed round does not decide, one event out of order does."""
    drains = {"batch-2": [a_drain(30_000), a_drain(31_000), a_drain(10, violations=1)]}
    found = goals(drains, {"batch-2": [40_000.0]}, [9_000.0, 13_000.0, 14_000.0], None)
    by_name = {goal.name: goal for goal in found}
    title = CASES["batch-2"].title
    assert by_name[f"{title}: events/s"].reached
    assert by_name[f"{title}: of its floor"].value == 0.75
    assert by_name["relay: events/s"].reached
    assert not by_name["events out of order, or repeated"].reached


def test_another_checkout_is_compared_pair_by_pair() -> None:
    """What slows a whole round down has met both of it: the median of the ratios decides."""
    drains = {"batch-2": [a_drain(22_000), a_drain(1_200), a_drain(9_000)]}
    others = {"batch-2": [a_drain(20_000), a_drain(1_000), a_drain(10_000)]}
    found = {goal.name: goal for goal in goals(drains, {}, [], None, others)}
    goal = found[f"{CASES['batch-2'].title}: of the other checkout"]
    assert (goal.value, goal.limit, goal.reached) == (1.1, 1.1, True)


def test_memory_counts_as_bounded_when_it_stays_where_it_was_early() -> None:
    """A backlog ten times as large must not need a quarter more."""
    for peak, reached in ((120.0, True), (130.0, False)):
        memory = Memory(events=1_000_000, early_events=100_000, early_peak_mib=100.0, peak_mib=peak)
        (goal,) = goals({}, {}, [], memory)
        assert goal.reached is reached


def test_what_is_lost_or_repeated_is_told_in_a_sentence() -> None:
    """A fast drain with a hole is no success."""
    drains = {"batch-2": [a_drain(30_000, repeats=2)], "single-2": [a_drain(10, uncommitted=3)]}
    complaints = wrong(drains)
    assert len(complaints) == 2
    report = DrainReport(
        machine={"rounds": 1}, cases=CASES, drains=drains, others=drains,
        floors={"nothing": [1.0], "batch-2": [2.0]}, relay=[1.0], memory=None, complaints=complaints,
        goals=goals(drains, {}, [], None),
    )  # fmt: skip
    text = drain_table(report)
    assert all(f"WRONG: {complaint}" in text for complaint in complaints)
    assert "NOT REACHED" in text
