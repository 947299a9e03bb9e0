"""The breaker that notices that Kafka is away, under a clock of its own."""

from app.outbox.breaker import PublishBreaker


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def a_breaker(clock: Clock) -> PublishBreaker:
    """Two seconds of patience, a hundred rows."""
    return PublishBreaker(stalled_seconds=2.0, max_pending=100, clock=clock)


def test_it_opens_when_the_oldest_send_makes_no_progress() -> None:
    """Idempotent sends raise nothing for minutes: only their age tells."""
    clock = Clock()
    breaker = a_breaker(clock)
    clock.now += 1.9
    assert not breaker.look(pending=1, oldest_seconds=1.9)
    clock.now += 0.1
    assert breaker.look(pending=1, oldest_seconds=2.0)
    assert breaker.is_open


def test_an_old_send_does_not_open_it_while_others_complete() -> None:
    """A backlog that drains is progress, however old its rows are."""
    clock = Clock()
    breaker = a_breaker(clock)
    clock.now += 10
    breaker.completed()
    clock.now += 1
    assert not breaker.look(pending=50, oldest_seconds=11.0)


def test_silence_is_not_an_outage() -> None:
    """Nothing pending, nothing to be late."""
    clock = Clock()
    breaker = a_breaker(clock)
    clock.now += 3600
    assert not breaker.look(pending=0, oldest_seconds=0.0)
    assert not breaker.look(pending=1, oldest_seconds=0.1)


def test_it_opens_when_too_much_is_pending() -> None:
    """Memory is bounded, however fast Kafka is."""
    breaker = a_breaker(Clock())
    assert breaker.look(pending=100, oldest_seconds=0.1)


def test_the_first_completed_send_closes_it_and_says_so_once() -> None:
    """The caller nudges the relay exactly then."""
    breaker = a_breaker(Clock())
    breaker.look(pending=100, oldest_seconds=0.1)
    assert breaker.completed()
    assert not breaker.is_open
    assert not breaker.completed()
