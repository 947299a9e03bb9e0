"""The simulation sees: every broken variant of a rule is caught, most within ten seeds."""

import pytest

from tests.mutation import is_caught
from tests.unit.ordered_queue import simulation
from tests.unit.ordered_queue.mutants import MUTANTS, Mutant

SEEDS = 600


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_broken_rule_is_caught(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variant that survives shows a promise that nothing checks."""
    mutant(monkeypatch)
    assert any(is_caught(simulation.run, seed) for seed in range(SEEDS)), (
        f"{mutant.__name__} survived {SEEDS} seeds"
    )
