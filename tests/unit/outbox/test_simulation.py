"""Seeded runs of the whole outbox: outages, freezes, crashes, refusals; invariants at each step."""

import pytest

from tests.unit.outbox import simulation

RUNS = 300
RUNS_PER_TEST = 50


@pytest.mark.parametrize("first", range(0, RUNS, RUNS_PER_TEST))
def test_the_promises_hold_whatever_happens_when(first: int) -> None:
    """Each seed is one plan of orders and faults; it repeats itself exactly."""
    for seed in range(first, first + RUNS_PER_TEST):
        try:
            simulation.run(seed)
        except BaseException as error:
            error.add_note(f"seed {seed}: repeat it with tests.unit.outbox.simulation.run({seed})")
            raise
