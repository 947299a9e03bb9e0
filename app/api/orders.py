"""The shop's doors: place an order, look at one's own order."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Router, get, post
from litestar.middleware import DefineMiddleware
from litestar.params import FromPath
from litestar.types import ASGIApp

from app.api.dependencies import GivenCheckout, GivenQueries
from app.api.idempotency import REPLAYED, idempotency_key
from app.api.order_bodies import accepted_order, order_address, order_body, version_tag
from app.api.order_docs import CREATE_ORDER, GET_ORDER
from app.api.order_ids import require_order_id
from app.api.order_life import cancel_order, fulfil_order, list_orders, pay_order
from app.api.schemas import MAX_QUANTITY, OrderItemRequest, OrderRequest
from app.application.commands import CreateOrder, ReplayedOrder, RequestedItem
from app.domain.order import Order
from kits.observability.logs import get_logger
from kits.observability.traces import current_traceparent
from kits.web.asgi_answers import BytesAnswer
from kits.web.json_body import JsonBody
from kits.web.openapi import described
from kits.web.preconditions import PRIVATE, conditional_answer
from kits.web.problems import FieldError, ProblemError
from kits.web.tokens import Identity

log = get_logger(__name__)

_ORDER_REQUEST = JsonBody(OrderRequest)
_encode = msgspec.json.Encoder().encode

CustomerRequest = Request[Any, Identity, Any]


def order_routes(authentication: DefineMiddleware) -> Router:
    """`/orders`, for customers only: a customer is the subject of the token."""
    handlers = [create_order, get_order, list_orders, pay_order, cancel_order, fulfil_order]
    return Router("/orders", route_handlers=handlers, middleware=[authentication])


@post(status_code=202, opt=described(CREATE_ORDER))
async def create_order(request: CustomerRequest, checkout: GivenCheckout) -> ASGIApp:
    """Decode, command, use case, answer."""
    body = await _ORDER_REQUEST.read(request)
    command = CreateOrder(
        order_id=checkout.new_id(),
        customer_id=request.auth.subject,
        items=merged_items(body.items),
        coupon_code=body.coupon_code,
        traceparent=current_traceparent.get(),
        idempotency=idempotency_key(request.scope["headers"], body),
    )
    outcome = await checkout.order_intake.create_order(command)
    if isinstance(outcome, ReplayedOrder):
        return _accepted(outcome.order, REPLAYED)
    log.debug("order_accepted", order_id=outcome.id, customer_id=outcome.customer_id)
    return _accepted(outcome, {})


def _accepted(order: Order, more: Mapping[str, str]) -> BytesAnswer:
    headers = {"location": order_address(order.id), "retry-after": "1", **more}
    return BytesAnswer(_encode(accepted_order(order)), status=202, headers=headers)


@get("/{order_id:str}", opt=described(GET_ORDER))
async def get_order(
    request: CustomerRequest, order_id: FromPath[str], order_queries: GivenQueries
) -> ASGIApp:
    """The caller's own order."""
    require_order_id(order_id)
    order = await order_queries.order(order_id, customer_id=request.auth.subject)
    return conditional_answer(
        request,
        _encode(order_body(order)),
        etag=version_tag(order),
        headers=PRIVATE,
    )


def merged_items(items: list[OrderItemRequest]) -> tuple[RequestedItem, ...]:
    """Each product once, in the order of first mention, with all of its pieces.

    Raises:
        ProblemError: invalid_request, a product comes to more than 1,000 pieces; points at the item too many.
    """
    quantities: dict[str, int] = {}
    for index, item in enumerate(items):
        quantity = quantities.get(item.product_id, 0) + item.quantity
        if quantity > MAX_QUANTITY:
            detail = f"More than {MAX_QUANTITY} pieces of {item.product_id}, all its items together."
            fault = FieldError(detail=detail, pointer=f"#/items/{index}/quantity")
            raise ProblemError("invalid_request", "The body breaks a rule; see errors.", errors=[fault])
        quantities[item.product_id] = quantity
    return tuple(RequestedItem(product_id, quantity) for product_id, quantity in quantities.items())
