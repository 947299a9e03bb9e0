"""The body that asks for an order, as the doors that take it read it."""

from app.api.schemas import MAX_QUANTITY, OrderItemRequest, OrderRequest
from app.application.commands import RequestedItem
from kits.web.doors.json_body import JsonBody
from kits.web.problems.details import FieldError, ProblemError

ORDER_BODY = JsonBody(OrderRequest)


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
