"""What happens again and again is told now and then."""

from types import SimpleNamespace

import pytest

from kits.observability import repeats as module
from kits.observability.repeats import Repeats


def test_the_first_time_is_due_and_then_one_in_a_while_with_the_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of each cause for itself."""
    now = [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    repeats = Repeats(every_seconds=10)
    assert [repeats.due("a") for _ in range(5)] == [1, 0, 0, 0, 0]
    assert repeats.due("b") == 1
    now[0] = 9.9
    assert repeats.due("a") == 0
    now[0] = 10
    assert [repeats.due("a"), repeats.due("a")] == [6, 0]
    assert repeats.due("b") == 1


def test_the_memory_of_causes_is_bounded() -> None:
    """Beyond the bound the one that was told longest ago is forgotten, and told again."""
    repeats = Repeats(every_seconds=10, max_causes=2)
    assert [repeats.due(cause) for cause in ("a", "b", "c", "c", "b", "a")] == [1, 1, 1, 0, 0, 1]
