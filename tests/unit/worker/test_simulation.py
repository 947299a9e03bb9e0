"""2,000 seeded runs of the whole loop: faults, storms, crashes, gaps; invariants at each step."""

import pytest

from tests.unit.worker import campaigns

RUNS = 2_000
RUNS_PER_TEST = 100


@pytest.mark.parametrize("first", range(0, RUNS, RUNS_PER_TEST))
def test_the_promises_hold_whatever_happens_when(first: int) -> None:
    """Each seed is one plan of events and faults; it repeats itself exactly."""
    for seed in range(first, first + RUNS_PER_TEST):
        try:
            campaigns.run(seed)
        except BaseException as error:
            error.add_note(f"seed {seed}: repeat it with tests.unit.worker.campaigns.run({seed})")
            raise
