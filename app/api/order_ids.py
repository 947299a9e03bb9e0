"""What an order's id looks like; anything else is no order's, and the database is not asked."""

import re

from app.application.errors import OrderNotFoundError

ORDER_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def require_order_id(order_id: str) -> None:
    """Raises OrderNotFoundError unless this may be an order's id."""
    if not ORDER_ID.fullmatch(order_id):
        raise OrderNotFoundError("There is no such order.")
