"""The shop's doors: an order is paid, cancelled, fulfilled."""

from typing import Any

import msgspec
from litestar import Request, post
from litestar.openapi.spec import Operation

from app.api.dependencies import GivenOrderLife, GivenPaymentEntry, PaymentEntry
from app.api.idempotency import KEY_HEADER, REPLAYED, REPLAYED_HEADER, has_key, idempotency_key
from app.api.order_bodies import order_body
from app.api.order_ids import OrderId, require_order_id
from app.api.problems import customer_door
from app.api.schemas import ORDER, PAYMENT_REQUEST, OrderBody, PaymentRequest
from app.application.commands import ChangeOrder, PayOrder, ReplayedOrder
from app.domain.order import Order
from app.domain.payment import Payment
from kits.observability.traces import current_traceparent
from kits.web.documents.openapi import IF_MATCH, answer_header, door
from kits.web.doors.answers import BytesAnswer, json_answer
from kits.web.doors.json_body import JsonBody, read_body
from kits.web.doors.preconditions import expected_versions, version_tag
from kits.web.tokens.scopes import require_scope
from kits.web.tokens.verifier import Identity

FULFIL_SCOPE = "orders:fulfil"
PAY_SCOPE = "orders:pay"
VERSION_HEADER = answer_header("ETag", "The order's version, in quotes.")
_MOVED = "The order as it is now, or as it was right after an earlier request with the same key."
_MOVED_HEADERS = [VERSION_HEADER, REPLAYED_HEADER]
_PAYMENT_REQUEST = JsonBody(PaymentRequest)

CustomerRequest = Request[Any, Identity, Any]


def _step(status: str, version: int, *codes: str, reads: msgspec.Struct | None = None) -> type[Operation]:
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
    return door(refusals, shows=shows, reads=reads, headers=[IF_MATCH, KEY_HEADER])


@post(
    "/{order_id:str}/payment",
    status_code=200,
    summary="Pay an order",
    response_description=_MOVED,
    response_headers=_MOVED_HEADERS,
    operation_class=_step(
        "PAID",
        2,
        "forbidden",
        "malformed_body",
        "unsupported_media_type",
        "payment_amount_mismatch",
        "payment_reference_used",
        reads=PAYMENT_REQUEST,
    ),
)
async def pay_order(
    request: CustomerRequest, order_id: OrderId, payment_entry: GivenPaymentEntry
) -> BytesAnswer[OrderBody]:
    """PENDING -> PAID, before the order's `expiresAt`, for the order of any customer.

    The token needs the scope `orders:pay`: it is the payment provider's, not the customer's. The same
    `reference` again gets the same answer, whatever has become of the order. A payment that comes too late
    (the order expires at once), or that the order does not take where it stands, is recorded, has its event
    `order.payment_refused`, and is answered with `invalid_transition`: its money is to be given back.
    """
    payment = await _payment(request, payment_entry)
    customer_id = request.auth.subject if payment is None else None
    asked = _asked(request, order_id, payment, customer_id=customer_id)
    return _shown(await payment_entry.order_life.pay(PayOrder(payment=payment, **asked)))


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


async def _payment(request: CustomerRequest, entry: PaymentEntry) -> Payment | None:
    """What the body says was paid; None: a customer pays without a provider, where that is allowed."""
    own = entry.self_pay and PAY_SCOPE not in request.auth.scopes
    if own and not await read_body(request.receive):
        return None
    require_scope(request.auth, PAY_SCOPE)
    body = await _PAYMENT_REQUEST.read(request)
    return Payment(request.auth.subject, body.reference, body.amount, body.currency)


async def _change(request: CustomerRequest, order_id: str, *, customer_id: str | None) -> ChangeOrder:
    # These doors have no use for a body; with a key, another body is another request all the same.
    body = await read_body(request.receive) if has_key(request.scope["headers"]) else b""
    return ChangeOrder(**_asked(request, order_id, body, customer_id=customer_id))


def _asked(
    request: CustomerRequest, order_id: str, body: bytes | Payment | None, *, customer_id: str | None
) -> dict[str, Any]:
    require_order_id(order_id)
    versions = expected_versions(request)
    asked = (order_id, sorted(versions) if versions is not None else None, body)
    return {
        "order_id": order_id,
        "customer_id": customer_id,
        "versions": versions,
        "traceparent": current_traceparent.get(),
        "caller_id": request.auth.subject,
        "idempotency": idempotency_key(request.scope["headers"], asked),
    }


def _shown(outcome: Order | ReplayedOrder) -> BytesAnswer[OrderBody]:
    order, headers = (outcome.order, REPLAYED) if isinstance(outcome, ReplayedOrder) else (outcome, {})
    return json_answer(order_body(order), headers={"etag": version_tag(order.version), **headers})
