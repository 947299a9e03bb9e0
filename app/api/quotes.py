"""The shop's doors: what an order would cost."""

from typing import Any

import msgspec
from litestar import Request, post

from app.api.dependencies import GivenQuotes
from app.api.order_requests import ORDER_BODY, merged_items
from app.api.problems import customer_door
from app.api.quote_schemas import QUOTE, QuoteBody, QuotedCouponBody, QuotedLineBody, QuoteProblem
from app.api.schemas import ORDER_REQUEST
from app.application.checkout import Quote
from app.application.commands import CreateOrder
from app.domain.errors import OrderError
from kits.web.documents.openapi import door
from kits.web.doors.answers import BytesAnswer, json_answer
from kits.web.tokens.verifier import Identity

_REFUSALS = customer_door(
    "malformed_body",
    "payload_too_large",
    "unsupported_media_type",
    "invalid_request",
    "unknown_product",
    "mixed_currencies",
)


@post(
    "/quote",
    status_code=200,
    summary="Ask what an order would cost",
    response_description="What it would come to now.",
    operation_class=door(_REFUSALS, shows=QUOTE, reads=ORDER_REQUEST),
)
async def quote_order(
    request: Request[Any, Identity, Any], order_quotes: GivenQuotes
) -> BytesAnswer[QuoteBody]:
    """The same body and the same check-out as for an order, and nothing is taken, kept or stored.

    What only the moment refuses (stock, the coupon, a used reference, too many unpaid orders) is answered
    with 200 and listed in `problems`, all of it at once, with the codes that the order would get; a coupon
    that does not apply takes nothing off. What can never be an order is refused as `POST /orders` refuses it.
    """
    body = await ORDER_BODY.read(request)
    # It is never placed: it needs no id.
    command = CreateOrder(
        order_id="",
        customer_id=request.auth.subject,
        items=merged_items(body.items),
        coupon_code=body.coupon_code,
        client_reference=body.client_reference or None,
    )
    return json_answer(_shown(await order_quotes.quote(command), body.coupon_code))


def _shown(quote: Quote, coupon_code: str | None) -> QuoteBody:
    order = quote.order
    return QuoteBody(
        orderable=not quote.refusals,
        currency=order.currency,
        subtotal=order.subtotal,
        discount=order.discount,
        total=order.total,
        lines=[
            QuotedLineBody(
                product_id=line.product_id,
                name=line.name,
                unit_price=line.unit_price,
                quantity=line.quantity,
                line_total=line.unit_price * line.quantity,
                available=quote.stock[line.product_id],
                enough=line.quantity <= quote.stock[line.product_id],
            )
            for line in order.lines
        ],
        coupon=_coupon(coupon_code, quote.coupon_refusal) if coupon_code else None,
        problems=[_problem(refusal) for refusal in quote.refusals],
    )


def _coupon(code: str, refusal: OrderError | None) -> QuotedCouponBody:
    reason = _problem(refusal) if refusal else None
    return QuotedCouponBody(code=code, applicable=reason is None, reason=reason)


def _problem(refusal: OrderError) -> QuoteProblem:
    return msgspec.convert({"code": refusal.code, "detail": str(refusal), **refusal.facts}, QuoteProblem)
