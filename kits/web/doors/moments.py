"""Moments in a query: RFC 3339 with its offset, and nothing that could be read as one."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from kits.web.problems.details import FieldError, ProblemError

MOMENT_RULES: dict[str, Any] = {"max_length": 40, "schema_extra": {"format": "date-time"}}
"""What a door's `QueryParameter` says of a moment that it hands to `read_moment`."""


def read_moment(parameter: str, text: str) -> datetime:
    """The moment in UTC.

    Raises:
        ProblemError: invalid_request, it is none, has no offset, or lies beyond the calendar.
    """
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        raise refused_moment(
            parameter, "Send it as RFC 3339, as 2026-11-21T07:00:00Z; a + of an offset as %2B."
        ) from None
    if moment.tzinfo is None:
        raise refused_moment(parameter, "Say the offset too, as in 2026-11-21T07:00:00Z.")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise refused_moment(parameter, "It is beyond the calendar.") from None


def refused_moment(parameter: str, detail: str) -> ProblemError:
    """The refusal of a moment that is not what its door needs."""
    fault = FieldError(detail=detail, parameter=parameter)
    return ProblemError("invalid_request", "The query breaks a rule; see errors.", errors=[fault])
