"""Seeded runs of the ordered queue: outages, freezes, crashes, fail-overs, operators."""

import pytest

from tests.unit.ordered_queue import simulation

RUNS = 2000
RUNS_PER_TEST = 100


@pytest.mark.parametrize("first", range(0, RUNS, RUNS_PER_TEST))
def test_the_promises_hold_whatever_happens_when(first: int) -> None:
    """Each seed is one plan of items and faults; it repeats itself exactly."""
    for seed in range(first, first + RUNS_PER_TEST):
        try:
            simulation.run(seed)
        except BaseException as error:
            error.add_note(f"seed {seed}: repeat it with tests.unit.ordered_queue.simulation.run({seed})")
            raise
