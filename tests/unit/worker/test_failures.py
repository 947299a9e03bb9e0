"""The decision table: what every answer of the data platform means."""

import pytest

from worker.delivery.failures import Answer, AnswerKind, Outcome, code_of, decide

SINGLE = {
    Outcome.DELIVERED: [200, 201, 202, 204, 206, 299],
    Outcome.DUPLICATE: [409],
    Outcome.REJECTED: [400, 413, 415, 422],
    Outcome.BACK_PRESSURE: [408, 425, 429],
    Outcome.OUTAGE: [502, 503, 504],
    Outcome.CONFIGURATION: [300, 301, 302, 304, 307, 308, 401, 402, 403, 404, 405, 406, 410, 418, 451, 499],
    Outcome.FAILING_ALONE: [500, 501, 505, 507, 511, 599, 100, 199, 600, 999],
}  # fmt: skip
BATCH = {
    Outcome.NO_BATCH: [404, 405, 501],
    Outcome.BACK_PRESSURE: [408, 425, 429],
    Outcome.OUTAGE: [502, 503, 504],
    Outcome.ALONE: [201, 202, 204, 301, 302, 400, 401, 403, 409, 413, 415, 422, 500, 505, 599],
}
KINDS = [
    (AnswerKind.TIMEOUT, Outcome.FAILING_ALONE, Outcome.ALONE),
    (AnswerKind.BROKEN, Outcome.FAILING_ALONE, Outcome.ALONE),
    (AnswerKind.BUG, Outcome.FAILING_ALONE, Outcome.ALONE),
    (AnswerKind.UNREACHABLE, Outcome.OUTAGE, Outcome.OUTAGE),
]


@pytest.mark.parametrize(("outcome", "status"), [(o, s) for o, statuses in SINGLE.items() for s in statuses])
def test_a_single_call_is_judged_by_its_status(outcome: Outcome, status: int) -> None:
    """Known and unknown statuses alike have one meaning."""
    answer = Answer(AnswerKind.STATUS, status=status)
    assert decide(answer) is outcome
    assert code_of(answer) == f"http_{status}"


@pytest.mark.parametrize(("outcome", "status"), [(o, s) for o, statuses in BATCH.items() for s in statuses])
def test_a_batch_that_is_not_a_readable_200_judges_nothing(outcome: Outcome, status: int) -> None:
    """Its events wait, or go again by single calls; none is delivered or dead by it."""
    assert decide(Answer(AnswerKind.STATUS, batch=True, status=status)) is outcome


@pytest.mark.parametrize(("kind", "single", "batch"), KINDS)
def test_a_call_without_an_answer(kind: AnswerKind, single: Outcome, batch: Outcome) -> None:
    """No connection is an outage; a call that ended strangely is asked again, alone."""
    assert decide(Answer(kind)) is single
    assert decide(Answer(kind, batch=True)) is batch


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        ("accepted", Outcome.DELIVERED),
        ("duplicate", Outcome.DUPLICATE),
        ("rejected", Outcome.REJECTED),
        ("retry", Outcome.ALONE),
        ("nonsense", Outcome.ALONE),
        ("", Outcome.ALONE),
    ],
)
def test_a_readable_batch_judges_each_of_its_events(result: str, outcome: Outcome) -> None:
    """What it does not judge goes again by a single call."""
    assert decide(Answer(AnswerKind.RESULT, batch=True, status=200, result=result)) is outcome


def test_an_event_that_a_batch_does_not_mention_goes_alone() -> None:
    """No result is no judgement."""
    for kind in (AnswerKind.NO_RESULT, AnswerKind.UNREADABLE):
        assert decide(Answer(kind, batch=True, status=200)) is Outcome.ALONE


def test_every_status_has_a_meaning() -> None:
    """The table is total."""
    for status in range(100, 1000):
        for batch in (False, True):
            assert decide(Answer(AnswerKind.STATUS, batch=batch, status=status)) in Outcome
