"""Data platform, rule: what an answer means. The one place that decides it."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

from kits.ordered_queue.item import Kind, Result

UNREACHABLE = "unreachable"
"""No connection: nothing was asked."""
TIMEOUT = "timeout"
BROKEN = "broken"
"""The connection broke while the answer was awaited."""

_REFUSED = frozenset({400, 413, 415, 422})
_UNAVAILABLE = frozenset({408, 425, 429, 502, 503, 504})
_NO_BATCH = frozenset({404, 405, 501})
_SAID = {"accepted": Kind.DONE, "duplicate": Kind.DONE, "rejected": Kind.REFUSED}
_PAGE = "a 2xx of type text/html is a proxy's, or DATA_PLATFORM_URL is a web site's"
_UNPROVEN = (
    "a 2xx after a batch answer that nobody can read may be a proxy's; if the platform has no batches, set"
    " DATA_PLATFORM_BATCH_SIZE=1"
)


class Answer(msgspec.Struct, frozen=True, gc=False):
    """How a call ended for one event; `batch` tells a batch from a single call."""

    status: int = 0
    """0: there is none, and `failure` says why."""
    failure: str = ""
    batch: bool = False
    said: str | None = None
    """Of a readable 200 to a batch: what it says of this event, empty if nothing."""
    reason: str = ""
    """The platform's own words."""
    is_page: bool = False
    """Of type text/html, which no data platform answers."""
    retry_after_seconds: float = 0.0

    @property
    def is_unreadable(self) -> bool:
        """A 200 to a batch that cannot be understood."""
        return self.batch and self.status == 200 and self.said is None

    @property
    def knows_no_batch(self) -> bool:
        """The platform has no batch path."""
        return self.batch and self.status in _NO_BATCH

    @property
    def is_misconfigured(self) -> bool:
        """Our address, path or token is wrong; or, while others succeed, it is this event's own fault."""
        return not self.batch and 300 <= self.status < 500 and _kind_of(self) is Kind.FAILED


def meaning_of(answer: Answer, *, began: float, proven: bool = True) -> Result | None:
    """What follows from one answer; total: every status, known or not, has a meaning.

    None: a batch that says nothing of this event, which must be sent again alone. A batch judges its events
    only by a readable 200, and is away like a single call.

    Args:
        began: when the call began, by the holder's clock.
        proven: whether a 2xx is surely the platform's: not while the latest 200 to a batch was unreadable.
    """
    kind = _kind_of(answer)
    if kind is None or (answer.batch and answer.said is None and kind is not Kind.UNAVAILABLE):
        return None
    if kind is not Kind.DONE:
        return Result(kind, _code_of(answer), answer.reason, answer.retry_after_seconds, began=began)
    if answer.said is None and answer.status != 409:
        if answer.is_page:
            return Result(Kind.UNAVAILABLE, "web_page", _PAGE, began=began)
        if not proven:
            return Result(Kind.UNAVAILABLE, "unproven", _UNPROVEN, began=began)
    return Result(kind, began=began)


def retry_after(value: str | None, *, now: float) -> float:
    """Seconds to wait after a Retry-After header (RFC 9110, 10.2.3): a number or a date; 0 if unusable.

    Args:
        now: wall time, seconds since the epoch.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return 0.0
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.fromtimestamp(now, UTC)).total_seconds())


def _kind_of(answer: Answer) -> Kind | None:
    if answer.said is not None:
        return _SAID.get(answer.said)
    status = answer.status
    if 200 <= status < 300 or status == 409:
        return Kind.DONE
    if status in _REFUSED:
        return Kind.REFUSED
    away = status in _UNAVAILABLE or answer.failure == UNREACHABLE
    return Kind.UNAVAILABLE if away else Kind.FAILED


def _code_of(answer: Answer) -> str:
    if answer.said is not None:
        return f"batch_{answer.said}"
    return f"http_{answer.status}" if answer.status else answer.failure
