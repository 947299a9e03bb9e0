"""Parts of a process start in order and stop in the reverse order."""

import pytest

from kits.process.lifecycle import Lifecycle


class Part:
    """Writes down what is done to it, and fails where it is told to."""

    def __init__(self, name: str, told: list[str], *, failing: str = "") -> None:
        self._name, self._told, self._failing = name, told, failing

    async def start(self) -> None:
        self._do("start")

    async def stop(self) -> None:
        self._do("stop")

    def _do(self, what: str) -> None:
        self._told.append(f"{what} {self._name}")
        if what == self._failing:
            raise RuntimeError(what)


async def test_what_was_started_last_is_stopped_first() -> None:
    """A part may rely on those that were started before it until it has ended."""
    told: list[str] = []
    lifecycle = Lifecycle([Part("a", told), Part("b", told)])
    await lifecycle.start()
    await lifecycle.stop()
    assert told == ["start a", "start b", "stop b", "stop a"]


async def test_after_a_start_that_failed_only_what_was_begun_is_stopped() -> None:
    """The failed part too: it may have begun something."""
    told: list[str] = []
    lifecycle = Lifecycle([Part("a", told), Part("b", told, failing="start"), Part("c", told)])
    with pytest.raises(RuntimeError):
        await lifecycle.start()
    await lifecycle.stop()
    assert told == ["start a", "start b", "stop b", "stop a"]


async def test_a_stop_that_fails_keeps_no_other_part_from_its_own() -> None:
    """And it is told."""
    told: list[str] = []
    lifecycle = Lifecycle([Part("a", told), Part("b", told, failing="stop")])
    await lifecycle.start()
    with pytest.raises(RuntimeError):
        await lifecycle.stop()
    assert told == ["start a", "start b", "stop b", "stop a"]


async def test_stopping_twice_or_before_the_start_does_nothing() -> None:
    """A process may be told to stop at any moment."""
    told: list[str] = []
    lifecycle = Lifecycle([Part("a", told)])
    await lifecycle.stop()
    await lifecycle.start()
    await lifecycle.stop()
    await lifecycle.stop()
    assert told == ["start a", "stop a"]
