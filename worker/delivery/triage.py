"""Delivery: what follows from the answers of a call: for its events, the breaker and other suspects."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from kits.resilience.retry import Backoff
from worker.delivery.breaker import Breaker, wait_before_retry
from worker.delivery.event import failure
from worker.delivery.failures import JUDGED, LONELY, RETRIED, Answer, Outcome, code_of, decide
from worker.delivery.halt import Halt
from worker.delivery.heads import Head, Heads
from worker.delivery.lanes import Lane
from worker.delivery.ports import Clock, Observer
from worker.delivery.suspects import Suspects
from worker.delivery.verdicts import Status, Verdict

_PARKED = Backoff(base_seconds=5.0, cap_seconds=120.0)
_FAILURES_IN_PLACE = 1
_TRIES_IN_A_BATCH = 2
_CLOSINGS = 3


@dataclass(frozen=True, slots=True)
class Patience:
    """What an event that fails alone has at least before it dies, and the waits between its attempts."""

    attempts: int = 5
    age: timedelta = timedelta(minutes=10)
    waits: Backoff = _PARKED


@dataclass(frozen=True, slots=True)
class Call:
    """A call in flight: its number among all, and the breaker's last change when it was begun."""

    number: int
    begun_under: int
    is_probe: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """A head whose single call was not judged."""

    head: Head
    outcome: Outcome
    answer: Answer


class Triage:
    """Sorts events into judged, tried again in place, parked and dead.

    An event dies only after five attempts and ten minutes. An attempt is spent only by a failure after one
    that the success of another order, begun later, has shown to be its own while the breaker stayed closed:
    what fails once, with everybody, and is taken at the next try has spent nothing.
    """

    def __init__(
        self,
        *,
        breaker: Breaker,
        halt: Halt,
        patience: Patience,
        heads: Heads,
        clock: Clock,
        observer: Observer,
        rng: random.Random,
        on_decided: Callable[[Lane, Verdict], None],
    ) -> None:
        self._breaker = breaker
        self._halt = halt
        self._patience = patience
        self._heads = heads
        self._clock = clock
        self._observer = observer
        self._rng = rng
        self._on_decided = on_decided
        self.suspects = Suspects()

    def sort_out(self, call: Call, heads: Sequence[Head], answers: Sequence[Answer], *, now: float) -> None:
        """Draw all consequences of one call; `now` is the loop's time."""
        again: list[tuple[Head, Answer, Outcome]] = []
        judged: list[tuple[Head, Answer, Outcome]] = []
        for head, answer in zip(heads, answers, strict=True):
            outcome = decide(answer)
            if outcome in JUDGED:
                judged.append((head, answer, outcome))
            elif outcome in RETRIED:
                again.append((head, answer, outcome))
            else:
                self._alone(head, outcome, answer)
        if judged:
            self._breaker.succeeded(call.begun_under)
            self._halt.clear()
        for each in judged:
            self._judged(call, *each)
        if again:
            self._try_again(call, again, now=now)

    def _judged(self, call: Call, head: Head, answer: Answer, outcome: Outcome) -> None:
        self._observer.answered(head.event, outcome)
        self.suspects.drop(head.event.event_id)
        if outcome is Outcome.REJECTED:
            head.event.failed(self._clock.now())
            head.event.attempts += 1
            reason = failure("rejected", code_of(answer), answer.reason)
            self._on_decided(head.lane, Verdict(head.event, Status.DEAD, reason))
            return
        self._on_decided(head.lane, Verdict(head.event, Status.DELIVERED, baseline=head.baseline))
        if self._breaker.is_closed:
            self.suspects.succeeded(head.lane.key, call.number)

    def _alone(self, head: Head, outcome: Outcome, answer: Answer) -> None:
        head.event.alone = True
        if outcome is Outcome.NO_BATCH and self._heads.end_batches():
            self._observer.batches_ended(code_of(answer))
        self._heads.add(head)

    def _try_again(self, call: Call, again: Sequence[tuple[Head, Answer, Outcome]], *, now: float) -> None:
        """All heads of one failed call wait alike, so that they can share a batch again."""
        head, answer, outcome = again[0]
        wait = wait_before_retry(head.event.tries, answer.retry_after_seconds, self._rng)
        for each, _, its_outcome in again:
            self._count(each, its_outcome)
        self._tell_halt(head, outcome, answer)
        self._tell_breaker(call, head, outcome, answer, now=now)
        self._heads.add_later([each for each, _, _ in again], wait)
        code = code_of(answer)
        self._observer.retrying(outcome, code, answer.reason, events=len(again), wait_seconds=wait)
        if not answer.batch:
            self._single_failed(call, Failed(head, outcome, answer))

    def _count(self, head: Head, outcome: Outcome) -> None:
        event = head.event
        if outcome in LONELY and self.suspects.take_proof(event.event_id):
            event.attempts += 1
            event.failed(self._clock.now())
        event.tries += 1
        event.alone = event.alone or event.tries >= _TRIES_IN_A_BATCH
        if event.closings is None:
            event.closings = self._breaker.closings

    def _tell_halt(self, head: Head, outcome: Outcome, answer: Answer) -> None:
        if outcome not in LONELY:
            self._halt.clear()
        elif outcome is Outcome.CONFIGURATION and not head.event.is_known_alone:
            self._halt.failed(code_of(answer))

    def _tell_breaker(self, call: Call, head: Head, outcome: Outcome, answer: Answer, *, now: float) -> None:
        says_nothing_new = head.event.is_known_alone and outcome in LONELY and not call.is_probe
        if not says_nothing_new:
            self._breaker.failed(
                call.begun_under,
                outcome,
                head.lane.key,
                retry_after_seconds=answer.retry_after_seconds,
                now=now,
                code=code_of(answer),
                reason=answer.reason,
            )

    def _single_failed(self, call: Call, failed: Failed) -> None:
        event = failed.head.event
        if failed.outcome in LONELY:
            event.lonely_failures += 1
            if self._breaker.is_closed and call.begun_under == self._breaker.change:
                self.suspects.failed(event.event_id, failed.head.lane.key, call.number)
                self._part_with(failed)
                return
        closings = self._breaker.closings - (event.closings or 0)
        if closings >= _CLOSINGS or (event.is_parked and not call.is_probe):
            # Others were delivered again and again meanwhile: without an attempt it is kept out of their way.
            self._park(failed)

    def _part_with(self, failed: Failed) -> None:
        """An event that fails alone dies, or leaves for the ledger at its second failure."""
        event = failed.head.event
        now = self._clock.now()
        age = now - (event.first_failed_at or now)
        if event.attempts >= self._patience.attempts and age >= self._patience.age:
            self._decide(failed, Status.DEAD)
        elif event.is_parked or (event.is_known_alone and event.lonely_failures > _FAILURES_IN_PLACE):
            self._park(failed)

    def _park(self, failed: Failed) -> None:
        attempts = failed.head.event.attempts
        wait = max(
            self._patience.waits.wait_seconds(attempts or self._patience.attempts, self._rng),
            wait_before_retry(0, failed.answer.retry_after_seconds, self._rng),
        )
        self._decide(failed, Status.RETRYING, retry_in_seconds=wait)

    def _decide(self, failed: Failed, status: Status, *, retry_in_seconds: float | None = None) -> None:
        head, answer = failed.head, failed.answer
        self._heads.withdraw(head)
        head.event.failed(self._clock.now())
        reason = failure(failed.outcome.value, code_of(answer), answer.reason)
        verdict = Verdict(head.event, status, reason, head.baseline, retry_in_seconds)
        self._on_decided(head.lane, verdict)
