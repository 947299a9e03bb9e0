"""The shop's doors: an order is paid, cancelled, fulfilled."""

from typing import Any

import msgspec
from litestar import Request, post
from litestar.openapi.spec import Operation

from app.api.dependencies import GivenOrderLife
from app.api.idempotency import KEY_HEADER, REPLAYED, REPLAYED_HEADER, has_key, idempotency_key
from app.api.order_bodies import order_body
from app.api.order_ids import OrderId, require_order_id
from app.api.problems import customer_door
from app.api.schemas import ORDER, OrderBody
from app.application.commands import ChangeOrder, IdempotencyKey, ReplayedOrder
from app.domain.order import Order
from kits.observability.traces import current_traceparent
from kits.web.documents.openapi import IF_MATCH, answer_header, door
from kits.web.doors.answers import BytesAnswer, json_answer
from kits.web.doors.json_body import read_body
from kits.web.doors.preconditions import expected_versions, version_tag
from kits.web.tokens.scopes import require_scope
from kits.web.tokens.verifier import Identity

FULFIL_SCOPE = "orders:fulfil"
VERSION_HEADER = answer_header("ETag", "The order's version, in quotes.")
_MOVED = "The order as it is now, or as it was right after an earlier request with the same key."
_MOVED_HEADERS = [VERSION_HEADER, REPLAYED_HEADER]

CustomerRequest = Request[Any, Identity, Any]


def _step(status: str, version: int, *codes: str) -> type[Operation]:
    refusals = customer_door(
        *codes,
        "order_not_found",
        "invalid_transition",
        "precondition_failed",
        "invalid_request",
        "storage_refused",
        "payload_too_large",
        "idempotency_key_in_use",
        "idempotency_key_reused",
    )
    shows = msgspec.structs.replace(ORDER, status=status, version=version)
    return door(refusals, shows=shows, headers=[IF_MATCH, KEY_HEADER])


@post(
    "/{order_id:str}/payment",
    status_code=200,
    summary="Pay an order",
    response_description=_MOVED,
    response_headers=_MOVED_HEADERS,
    operation_class=_step("PAID", 2),
)
async def pay_order(
    request: CustomerRequest, order_id: OrderId, order_life: GivenOrderLife
) -> BytesAnswer[OrderBody]:
    """PENDING -> PAID, for one of the caller's own orders, before its `expiresAt`.

    A payment that comes later is refused, and the order expires at once.
    """
    return _shown(await order_life.pay(await _change(request, order_id, customer_id=request.auth.subject)))


@post(
    "/{order_id:str}/cancellation",
    status_code=200,
    summary="Cancel an order",
    response_description=_MOVED,
    response_headers=_MOVED_HEADERS,
    operation_class=_step("CANCELLED", 2),
)
async def cancel_order(
    request: CustomerRequest, order_id: OrderId, order_life: GivenOrderLife
) -> BytesAnswer[OrderBody]:
    """PENDING -> CANCELLED, for one of the caller's own orders.

    Its pieces are for sale again, and its coupon use counts no more. What is paid cannot be cancelled.
    """
    return _shown(await order_life.cancel(await _change(request, order_id, customer_id=request.auth.subject)))


@post(
    "/{order_id:str}/fulfilment",
    status_code=200,
    summary="Fulfil an order",
    response_description=_MOVED,
    response_headers=_MOVED_HEADERS,
    operation_class=_step("FULFILLED", 3, "forbidden"),
)
async def fulfil_order(
    request: CustomerRequest, order_id: OrderId, order_life: GivenOrderLife
) -> BytesAnswer[OrderBody]:
    """PAID -> FULFILLED, for the order of any customer. The token needs the scope `orders:fulfil`."""
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


def _shown(outcome: Order | ReplayedOrder) -> BytesAnswer[OrderBody]:
    order, headers = (outcome.order, REPLAYED) if isinstance(outcome, ReplayedOrder) else (outcome, {})
    return json_answer(order_body(order), headers={"etag": version_tag(order.version), **headers})
