"""Paging: opaque cursors that hold the last id of a page."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated

from litestar.params import QueryParameter

from kits.web.problems.details import FieldError, ProblemError

PageLimit = Annotated[int, QueryParameter(ge=1, le=100, description="How many a page has at most.")]
PageCursor = Annotated[
    str | None,
    QueryParameter(max_length=200, description="`next` of the page before; without it, the first page."),
]
PageAfter = Annotated[
    str | None,
    QueryParameter(max_length=200, description="`next` of the page before; without it, the first page."),
]
DEFAULT_LIMIT = 20


def make_cursor(last_id: str) -> str:
    """The opaque cursor of the page after this id."""
    return urlsafe_b64encode(last_id.encode()).decode().rstrip("=")


def read_cursor(cursor: str, ids: re.Pattern[str], *, parameter: str = "cursor") -> str:
    """The id that a page begins after; it looks like one of `ids`. `parameter` has brought the cursor.

    Raises:
        ProblemError: invalid_request, it is not a cursor of ours.
    """
    try:
        last_id = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except ValueError:
        last_id = ""
    if not ids.fullmatch(last_id):
        fault = FieldError(detail="Send the `next` of a page, unchanged.", parameter=parameter)
        raise ProblemError("invalid_request", "The query breaks a rule; see errors.", errors=[fault])
    return last_id
