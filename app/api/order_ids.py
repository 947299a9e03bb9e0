"""What an order's id looks like; anything else is no order's, and the database is not asked."""

import re
from typing import Annotated

from litestar.params import PathParameter

from app.api.schemas import ORDER
from app.application.errors import OrderNotFoundError

ORDER_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# The pattern is no rule of the parameter: what breaks it is not found, and not a fault of the request.
OrderId = Annotated[str, PathParameter(schema_extra={"format": "uuid", "examples": [ORDER.order_id]})]


def require_order_id(order_id: str) -> None:
    """Raises OrderNotFoundError unless this may be an order's id."""
    if not ORDER_ID.fullmatch(order_id):
        raise OrderNotFoundError("There is no such order.")
