"""The shop's door over Kafka: other services place orders for customers by request-reply, if it is open."""

from hashlib import blake2b

import msgspec

from app.api.dependencies import OrderEntry
from app.api.order_requests import merged_items
from app.api.problems import shop_problems
from app.api.schemas import OrderItemRequest, OrderRequest
from app.application.commands import CreateOrder, IdempotencyKey, ReplayedOrder
from app.application.errors import ApplicationError
from app.domain.errors import OrderError
from app.domain.order import Order
from contracts.order_patterns import CREATE_ORDER, PlacedOrder, PlaceOrder
from kits.observability.logs import get_logger
from kits.observability.traces import current_traceparent
from kits.rpc.call import Call
from kits.rpc.errors import RpcError
from kits.rpc.handlers import message_pattern
from kits.web.problems.details import ProblemError

log = get_logger(__name__)
_encode = msgspec.json.Encoder(order="deterministic").encode


class OrderController:
    """Whoever may write to the topic may order for every customer: Kafka's rights guard this door."""

    def __init__(self, entry: OrderEntry) -> None:
        self._entry = entry

    @message_pattern(CREATE_ORDER)
    async def create(self, command: PlaceOrder, call: Call) -> PlacedOrder:
        """As `POST /orders`, with the same rules, refusals and codes; the same request again is one order."""
        asked = _order_request(command)
        try:
            outcome = await self._entry.order_intake.create_order(
                CreateOrder(
                    order_id=self._entry.new_id(),
                    customer_id=command.customer_id,
                    items=merged_items(asked.items),
                    coupon_code=asked.coupon_code,
                    traceparent=current_traceparent.get(),
                    idempotency=_key(command, asked, call),
                    client_reference=asked.client_reference or None,
                )
            )
        except (OrderError, ApplicationError, ProblemError) as error:
            raise RpcError(shop_problems().kind(error.code).status, error.code, str(error)) from error
        if isinstance(outcome, ReplayedOrder):
            return _placed(outcome.order)
        log.debug("order_accepted", order_id=outcome.id, customer_id=outcome.customer_id)
        return _placed(outcome)


def _order_request(command: PlaceOrder) -> OrderRequest:
    """The body of the HTTP door: one place says what an order may ask for."""
    try:
        items = [
            msgspec.convert({"productId": each.product_id, "quantity": each.quantity}, OrderItemRequest)
            for each in command.items
        ]
        members = {"couponCode": command.coupon_code, "clientReference": command.client_reference}
        return msgspec.convert({"items": items, **members}, OrderRequest)
    except msgspec.ValidationError as error:
        raise RpcError(422, "invalid_request", str(error)) from error


def _key(command: PlaceOrder, asked: OrderRequest, call: Call) -> IdempotencyKey:
    """The caller's own, or the request's: a request that Kafka hands out again is no second order."""
    given = command.idempotency_key or f"rpc-{blake2b(call.request_id.encode(), digest_size=16).hexdigest()}"
    return IdempotencyKey(given, blake2b(_encode(asked), digest_size=32).digest())


def _placed(order: Order) -> PlacedOrder:
    return PlacedOrder(
        order_id=order.id,
        currency=order.currency,
        subtotal=order.subtotal,
        discount=order.discount,
        total=order.total,
        coupon_code=order.coupon_code,
        client_reference=order.client_reference,
    )
