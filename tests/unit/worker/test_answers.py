"""The decision table: what every answer of the data platform means."""

from email.utils import formatdate

import pytest

from kits.ordered_queue.item import Kind, Result
from worker.groups.data_platform.answers import (
    BROKEN,
    TIMEOUT,
    UNREACHABLE,
    Answer,
    meaning_of,
    retry_after,
)

MISCONFIGURED = [300, 301, 302, 304, 307, 308, 401, 402, 403, 404, 405, 406, 410, 418, 451, 499]
SINGLE = {
    Kind.DONE: [200, 201, 202, 204, 206, 299, 409],
    Kind.REFUSED: [400, 413, 415, 422],
    Kind.UNAVAILABLE: [408, 425, 429, 502, 503, 504],
    Kind.FAILED: [500, 501, 505, 507, 511, 599, 100, 199, 600, 999, *MISCONFIGURED],
}
JUDGES_NOTHING = [200, 201, 202, 204, 301, 302, 400, 401, 403, 404, 405, 409, 413, 415, 422, 500, 501, 599]


def judged(answer: Answer, *, proven: bool = True) -> Result | None:
    return meaning_of(answer, began=7.0, proven=proven)


@pytest.mark.parametrize(("kind", "status"), [(k, s) for k, statuses in SINGLE.items() for s in statuses])
def test_a_single_call_is_judged_by_its_status(kind: Kind, status: int) -> None:
    """Known and unknown statuses alike have one meaning; the code names it, the reason is the platform's."""
    result = judged(Answer(status, reason="why", retry_after_seconds=3.0))
    assert result is not None
    assert (result.kind, result.began) == (kind, 7.0)
    told = ("", "", 0.0) if kind is Kind.DONE else (f"http_{status}", "why", 3.0)
    assert (result.code, result.reason, result.retry_after_seconds) == told


@pytest.mark.parametrize("status", JUDGES_NOTHING)
def test_a_batch_that_is_not_a_readable_200_judges_nothing(status: int) -> None:
    """Its events go again by single calls; none is done or dead by it."""
    assert judged(Answer(status, batch=True)) is None


@pytest.mark.parametrize("status", SINGLE[Kind.UNAVAILABLE])
def test_a_batch_that_is_not_taken_now_waits(status: int) -> None:
    """Single calls would meet the same, a hundred times."""
    result = judged(Answer(status, batch=True, retry_after_seconds=9.0))
    assert result is not None
    assert (result.kind, result.retry_after_seconds) == (Kind.UNAVAILABLE, 9.0)


@pytest.mark.parametrize(
    ("failure", "single", "batch"),
    [
        (UNREACHABLE, Kind.UNAVAILABLE, Kind.UNAVAILABLE),
        (TIMEOUT, Kind.FAILED, None),
        (BROKEN, Kind.FAILED, None),
    ],
)
def test_a_call_without_an_answer(failure: str, single: Kind, batch: Kind | None) -> None:
    """No connection is an outage; a call that ended strangely is asked again, alone."""
    alone, together = judged(Answer(failure=failure)), judged(Answer(failure=failure, batch=True))
    assert alone is not None
    assert (alone.kind, alone.code) == (single, failure)
    assert (together and together.kind) == batch


@pytest.mark.parametrize(
    ("said", "kind", "code"),
    [
        ("accepted", Kind.DONE, ""),
        ("duplicate", Kind.DONE, ""),
        ("rejected", Kind.REFUSED, "batch_rejected"),
        ("retry", None, ""),
        ("nonsense", None, ""),
        ("", None, ""),
    ],
)
def test_a_readable_batch_judges_each_of_its_events(said: str, kind: Kind | None, code: str) -> None:
    """What it does not judge, or does not mention, goes again by a single call."""
    for proven in (True, False):
        result = judged(Answer(200, batch=True, said=said), proven=proven)
        assert (result and (result.kind, result.code)) == (kind and (kind, code))


@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_2xx_that_may_be_a_proxy_s_is_no_delivery(status: int) -> None:
    """A web page, and whatever comes while batches are answered unreadably: the platform is not there."""
    for result in (judged(Answer(status, is_page=True)), judged(Answer(status), proven=False)):
        assert result is not None
        assert result.kind is Kind.UNAVAILABLE
        assert "proxy" in result.reason


def test_the_platform_s_own_words_are_believed_whatever_their_form() -> None:
    """It knows the event (409), or refuses it; a page with an error is an error."""
    found = [judged(Answer(status, is_page=True), proven=False) for status in (409, 422, 500)]
    assert [result and result.kind for result in found] == [Kind.DONE, Kind.REFUSED, Kind.FAILED]


def test_every_status_has_a_meaning_and_some_are_our_own_fault() -> None:
    """The table is total; only single calls tell of a wrong address, path or token."""
    for status in range(100, 1000):
        result = judged(Answer(status))
        assert result is not None
        assert Answer(status).is_misconfigured == (300 <= status < 500 and result.kind is Kind.FAILED)
        assert not Answer(status, batch=True).is_misconfigured
    assert all(Answer(status).is_misconfigured for status in MISCONFIGURED)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0), (" 7 ", 7.0), ("0", 0.0), (formatdate(1_060, usegmt=True), 60.0),
        (formatdate(940, usegmt=True), 0.0), ("Thu, 01 Jan 1970 00:17:00 -0000", 20.0),
        (None, 0.0), ("", 0.0), ("soon", 0.0), ("-5", 0.0), ("1.5", 0.0), ("١٢", 0.0),
        ("9" * 400, 999_999_999.0),
        ("Mon, 99 Foo 99999 99:99:99 GMT", 0.0),
    ],
)  # fmt: skip
def test_retry_after_is_a_number_or_a_date(header: str | None, seconds: float) -> None:
    """Anything else says nothing."""
    assert retry_after(header, now=1_000.0) == seconds
