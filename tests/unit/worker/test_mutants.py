"""The simulation sees: every broken variant of a rule is caught within a few seeds."""

import pytest

from tests.mutation import is_caught
from tests.unit.worker import campaigns
from tests.unit.worker.mutants import MUTANTS, Mutant

SEEDS = 60


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_broken_rule_is_caught(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variant that survives shows a promise that nothing checks."""
    mutant(monkeypatch)
    assert any(is_caught(campaigns.run, seed) for seed in range(SEEDS)), (
        f"{mutant.__name__} survived {SEEDS} seeds"
    )
