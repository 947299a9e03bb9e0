"""The figures of a campaign count what was done, not what was planned."""

from chaos.plan import Kind, Step
from chaos.report import Injected, broker_outages, done


def a_fault(kind: Kind, target: str, *, not_run: str = "", weather: str = "") -> Injected:
    """One that was injected, unless there is a reason why not."""
    step = Step(kind, target, 0.0, 1.0, {"weather": weather} if weather else {})
    return Injected(step=step, phase="all", at=0.0, not_run=not_run)


def test_a_fault_that_was_not_run_does_not_count() -> None:
    """The report may not claim more than happened."""
    injected = [
        a_fault(Kind.KILL, "api-1"),
        a_fault(Kind.KILL, "api-1", not_run="time was up"),
        a_fault(Kind.KILL, "postgres"),
        a_fault(Kind.PAUSE, "api-1"),
    ]
    assert done(injected, Kind.KILL) == {"api-1": 1, "postgres": 1}
    assert done(injected, Kind.PAUSE) == {"api-1": 1}


def test_a_broker_that_nobody_can_reach_is_an_outage_and_a_slow_one_is_none() -> None:
    """Killed, reset, or in a black hole."""
    injected = [
        a_fault(Kind.KILL, "kafka"),
        a_fault(Kind.NETWORK, "kafka", weather="reset"),
        a_fault(Kind.NETWORK, "kafka", weather="black-hole"),
        a_fault(Kind.NETWORK, "kafka", weather="delay"),
        a_fault(Kind.NETWORK, "postgres", weather="reset"),
    ]
    assert broker_outages(injected) == 3
