"""The shop's doors: an order is paid, cancelled, fulfilled; the list of one's own orders."""

from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath
from litestar.types import ASGIApp

from app.api.cursors import make_cursor, read_cursor
from app.api.dependencies import GivenOrderLife, GivenQueries
from app.api.idempotency import REPLAYED, has_key, idempotency_key
from app.api.order_bodies import order_body, version_tag
from app.api.order_ids import ORDER_ID, require_order_id
from app.api.order_life_docs import CANCEL_ORDER, FULFIL_ORDER, LIST_ORDERS, PAY_ORDER
from app.api.schemas import OrderPage, OrderQuery
from app.application.commands import ChangeOrder, IdempotencyKey, ReplayedOrder
from app.domain.order import Order
from kits.observability.traces import current_traceparent
from kits.web.asgi_answers import BytesAnswer
from kits.web.json_body import read_body
from kits.web.openapi import described
from kits.web.preconditions import PRIVATE, conditional_answer, content_tag, expected_versions
from kits.web.query import read_query
from kits.web.scopes import require_scope
from kits.web.tokens import Identity

FULFIL_SCOPE = "orders:fulfil"
_encode = msgspec.json.Encoder().encode

CustomerRequest = Request[Any, Identity, Any]


@get(opt=described(LIST_ORDERS))
async def list_orders(request: CustomerRequest, order_queries: GivenQueries) -> ASGIApp:
    """One page; one order more than the page has is read, to know whether another follows."""
    query = read_query(request, OrderQuery)
    before = read_cursor(query.cursor, ORDER_ID) if query.cursor is not None else None
    found = await order_queries.orders(customer_id=request.auth.subject, before=before, limit=query.limit + 1)
    page = found[: query.limit]
    following = make_cursor(page[-1].id) if len(found) > query.limit else None
    body = _encode(OrderPage(items=[order_body(order) for order in page], next=following))
    return conditional_answer(request, body, etag=content_tag(body), headers=PRIVATE)


@post("/{order_id:str}/payment", status_code=200, opt=described(PAY_ORDER))
async def pay_order(request: CustomerRequest, order_id: FromPath[str], order_life: GivenOrderLife) -> ASGIApp:
    """The caller's own order is paid."""
    return _shown(await order_life.pay(await _change(request, order_id, customer_id=request.auth.subject)))


@post("/{order_id:str}/cancellation", status_code=200, opt=described(CANCEL_ORDER))
async def cancel_order(
    request: CustomerRequest, order_id: FromPath[str], order_life: GivenOrderLife
) -> ASGIApp:
    """The caller's own order is called off."""
    return _shown(await order_life.cancel(await _change(request, order_id, customer_id=request.auth.subject)))


@post("/{order_id:str}/fulfilment", status_code=200, opt=described(FULFIL_ORDER))
async def fulfil_order(
    request: CustomerRequest, order_id: FromPath[str], order_life: GivenOrderLife
) -> ASGIApp:
    """Any customer's order is handed over, by those whose work that is."""
    require_scope(request.auth, FULFIL_SCOPE)
    return _shown(await order_life.fulfil(await _change(request, order_id, customer_id=None)))


async def _change(request: CustomerRequest, order_id: str, *, customer_id: str | None) -> ChangeOrder:
    require_order_id(order_id)
    versions = expected_versions(request)
    return ChangeOrder(
        order_id=order_id,
        customer_id=customer_id,
        versions=versions,
        traceparent=current_traceparent.get(),
        caller_id=request.auth.subject,
        idempotency=await _key(request, order_id, versions),
    )


async def _key(
    request: CustomerRequest, order_id: str, versions: frozenset[int] | None
) -> IdempotencyKey | None:
    headers = request.scope["headers"]
    if not has_key(headers):
        return None
    # These doors have no use for a body; with a key, another body is another request all the same.
    body = await read_body(request.receive)
    return idempotency_key(headers, (order_id, sorted(versions) if versions is not None else None, body))


def _shown(outcome: Order | ReplayedOrder) -> ASGIApp:
    order, headers = (outcome.order, REPLAYED) if isinstance(outcome, ReplayedOrder) else (outcome, {})
    return BytesAnswer(_encode(order_body(order)), headers={"etag": version_tag(order), **headers})
