"""The shop's doors: an order is looked at, orders are searched; customers see their own, staff see all."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Request, get
from litestar.params import QueryParameter

from app.api.dependencies import GivenQueries
from app.api.idempotency import PATTERN as KEY_PATTERN
from app.api.order_bodies import order_body
from app.api.order_ids import ORDER_ID, OrderId, require_order_id
from app.api.order_life import VERSION_HEADER
from app.api.paging import DEFAULT_LIMIT, PageAfter, PageCursor, PageLimit, make_cursor, read_cursor
from app.api.problems import customer_door
from app.api.schemas import ORDER, ORDER_PAGE, PRODUCT_ID, OrderBody, OrderPage
from app.application.commands import OrderSearch
from app.domain.order import OrderStatus
from kits.patterns import whole
from kits.web.documents.openapi import IF_NONE_MATCH, answer_header, door
from kits.web.doors.answers import BytesAnswer
from kits.web.doors.moments import MOMENT_RULES, read_moment, refused_moment
from kits.web.doors.preconditions import PRIVATE, conditional_answer
from kits.web.problems.details import FieldError, ProblemError
from kits.web.tokens.claims import LONGEST_SUBJECT
from kits.web.tokens.scopes import require_scope
from kits.web.tokens.verifier import Identity

READ_SCOPE = "orders:read"
"""Whoever has it sees the orders of every customer."""

CustomerRequest = Request[Any, Identity, Any]

Status = Annotated[
    str | None,
    QueryParameter(
        pattern=whole("|".join(OrderStatus)),
        schema_extra={"enum": list(OrderStatus)},
        description="Where they stand.",
    ),
]
Since = Annotated[
    str | None,
    QueryParameter(name="from", description="RFC 3339; placed then or later.", **MOMENT_RULES),
]
Until = Annotated[
    str | None, QueryParameter(name="to", description="RFC 3339; placed before it.", **MOMENT_RULES)
]
Customer = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=LONGEST_SUBJECT,
        description=f"Whose orders; only with the scope `{READ_SCOPE}`, which without it gets everybody's.",
    ),
]
Product = Annotated[
    str | None, QueryParameter(pattern=whole(PRODUCT_ID), description="One of their products.")
]
Reference = Annotated[
    str | None,
    QueryParameter(
        pattern=whole("[!-~]{1,64}"),
        description="Their `clientReference`: one order of a customer; for staff, one of each customer.",
    ),
]
Key = Annotated[
    str | None,
    QueryParameter(
        name="idempotencyKey",
        pattern=KEY_PATTERN,
        description="The caller's own key of a `POST /orders`, for 24 hours: the order that it has made.",
    ),
]


@get(
    "/{order_id:str}",
    summary="Look at an order",
    response_description="The order.",
    response_headers=[VERSION_HEADER],
    operation_class=door(
        customer_door("order_not_found", "invalid_request"), shows=ORDER, headers=[IF_NONE_MATCH]
    ),
)
async def get_order(
    request: CustomerRequest, order_id: OrderId, order_queries: GivenQueries
) -> BytesAnswer[OrderBody]:
    """One of the caller's own orders, as it stands; with the scope `orders:read`, anybody's.

    Another customer's order is not found.
    """
    require_order_id(order_id)
    staff = _is_staff(request)
    order = await order_queries.order(order_id, customer_id=None if staff else request.auth.subject)
    shown = order_body(order, with_customer=staff)
    return conditional_answer(request, shown, version=order.version, headers=PRIVATE)


@get(
    summary="Search orders",
    response_description="One page.",
    response_headers=[answer_header("ETag", "What it says, hashed.")],
    operation_class=door(
        customer_door("invalid_request", "forbidden"), shows=ORDER_PAGE, headers=[IF_NONE_MATCH]
    ),
)
async def list_orders(
    request: CustomerRequest,
    order_queries: GivenQueries,
    *,
    status: Status = None,
    since: Since = None,
    until: Until = None,
    customer: Customer = None,
    product: Product = None,
    reference: Reference = None,
    key: Key = None,
    limit: PageLimit = DEFAULT_LIMIT,
    after: PageAfter = None,
    cursor: PageCursor = None,
) -> BytesAnswer[OrderPage]:
    """The caller's own orders, or with the scope `orders:read` everybody's, page by page, newest first.

    Follow `next` until it is null, with the same parameters; orders placed meanwhile shift no page. A page
    looks at 5,000 orders at most: it may have fewer than `limit`, or none, and another one follows all the
    same. `cursor` is the former name of `after`.
    """
    first, end = _range(since, until)
    search = OrderSearch(
        limit=limit,
        customer_id=_whose(request, customer),
        before=_place(after, cursor),
        status=OrderStatus(status) if status is not None else None,
        since=first,
        until=end,
        product_id=product,
        reference=reference,
        caller_id=request.auth.subject,
        key=key,
    )
    found = await order_queries.orders(search)
    items = [order_body(order, with_customer=_is_staff(request)) for order in found.orders]
    following = make_cursor(found.next_before) if found.next_before is not None else None
    return conditional_answer(request, OrderPage(items=items, next=following), headers=PRIVATE)


def _is_staff(request: CustomerRequest) -> bool:
    return READ_SCOPE in request.auth.scopes


def _whose(request: CustomerRequest, customer: str | None) -> str | None:
    if customer is not None:
        require_scope(request.auth, READ_SCOPE)
    return customer if _is_staff(request) else request.auth.subject


def _range(since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    first = read_moment("from", since) if since is not None else None
    end = read_moment("to", until) if until is not None else None
    if first is not None and end is not None and first > end:
        raise refused_moment("from", "It must not be after `to`.")
    return first, end


def _place(after: str | None, cursor: str | None) -> str | None:
    if after is not None and cursor is not None:
        fault = FieldError(detail="Send `after` alone; this is its former name.", parameter="cursor")
        raise ProblemError("invalid_request", "The query breaks a rule; see errors.", errors=[fault])
    if cursor is not None:
        return read_cursor(cursor, ORDER_ID)
    return read_cursor(after, ORDER_ID, parameter="after") if after is not None else None
