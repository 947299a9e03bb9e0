"""The door of the sales: what was ordered in every minute of a range, for everybody in the house."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter, SkipValidation

from contracts.sales import key_of, start_of, whole_minute
from kits.web.documents.openapi import door
from kits.web.doors.answers import BytesAnswer, json_answer
from kits.web.doors.moments import MOMENT_RULES, read_moment
from kits.web.problems.details import FieldError, ProblemError
from services.sales.api.problems import open_door
from services.sales.api.schemas import SALES, MinuteBody, SalesBody
from services.sales.table.store import MinuteSales, SalesStore

_ROWS = 1_000
_DAY = timedelta(days=1)
_BEFORE_ALL = (datetime(1, 1, 1, tzinfo=UTC), "")
_MINUTE_LENGTH = len("2026-11-21T07:00Z")

Since = Annotated[
    str | None,
    QueryParameter(
        name="from",
        description="RFC 3339; from the minute it lies in. Default: a day before `to`.",
        **MOMENT_RULES,
    ),
]
Until = Annotated[
    str | None,
    QueryParameter(
        name="to", description="RFC 3339; minutes that begin before it. Default: now.", **MOMENT_RULES
    ),
]
Cursor = Annotated[
    str | None,
    QueryParameter(max_length=50, description="`next` of the page before; without it, the first page."),
]
# The container is typed; checking its object again on every request would cost without finding anything.
GivenStore = NamedDependency[SkipValidation[SalesStore]]


@get(
    "/sales",
    tags=["sales"],
    summary="Sales per minute",
    response_description="One page of minutes.",
    operation_class=door(open_door("invalid_request"), shows=SALES),
)
async def get_sales(
    sales: GivenStore,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
) -> BytesAnswer[SalesBody]:
    """What was ordered in every minute of `[from, to)`, per currency: amounts of two are never added.

    A minute counts the orders that say to be of it, whenever they came: a late order changes an old minute.
    At most 1,000 rows a page.
    """
    first, end = _range(since, until)
    after = _BEFORE_ALL if cursor is None else _place(cursor)
    rows = await sales.page(first, end, after=after, limit=_ROWS + 1)
    shown = rows[:_ROWS]
    more = _cursor(shown[-1]) if len(rows) > _ROWS else None
    return json_answer(SalesBody(items=[_body(row) for row in shown], next=more))


def _range(since: str | None, until: str | None) -> tuple[datetime, datetime]:
    end = datetime.now(UTC) if until is None else _in_utc("to", until)
    first = whole_minute(end - _DAY if since is None else _in_utc("from", since))
    if first > end:
        raise _refused("from", "It must not be after `to`.")
    return first, end


def _in_utc(parameter: str, moment: str) -> datetime:
    # A day may be taken away from it.
    return max(read_moment(parameter, moment), _BEFORE_ALL[0] + _DAY)


def _cursor(row: MinuteSales) -> str:
    return key_of(f"{row.minute.astimezone(UTC):%Y-%m-%dT%H:%MZ}".rjust(_MINUTE_LENGTH, "0"), row.currency)


def _place(cursor: str) -> tuple[datetime, str]:
    minute, rest = cursor[:_MINUTE_LENGTH], cursor[_MINUTE_LENGTH:]
    try:
        start = start_of(minute)
    except ValueError:
        raise _refused("cursor", "Send the `next` of a page, unchanged.") from None
    if not rest.startswith("/") or len(rest) != 4:
        raise _refused("cursor", "Send the `next` of a page, unchanged.")
    return start, rest[1:]


def _refused(parameter: str, detail: str) -> ProblemError:
    fault = FieldError(detail=detail, parameter=parameter)
    return ProblemError("invalid_request", "The query breaks a rule; see errors.", errors=[fault])


def _body(row: MinuteSales) -> MinuteBody:
    return MinuteBody(
        minute=row.minute.astimezone(UTC),
        currency=row.currency,
        orders=row.orders,
        pieces=row.pieces,
        revenue=row.revenue,
    )
