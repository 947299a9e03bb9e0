"""The ceiling: an endpoint that proves the caller and decodes the order, and does nothing with them."""

from typing import Any

from litestar import Request, Router, post
from litestar.middleware import DefineMiddleware
from litestar.types import ASGIApp

from app.api.schemas import OrderRequest
from kits.web.doors.answers import BytesAnswer
from kits.web.doors.json_body import JsonBody
from kits.web.tokens.verifier import Identity

NO_OP = "/bench/no-op"
_BODY = JsonBody(OrderRequest)
_ANSWER = b'{"status":"PENDING"}'


def no_op_route(authentication: DefineMiddleware) -> Router:
    """POST /bench/no-op, through the same entrance, router, authentication and decoder as an order."""
    return Router("/bench", route_handlers=[no_op], middleware=[authentication])


@post("/no-op", status_code=202)
async def no_op(request: Request[Any, Identity, Any]) -> ASGIApp:
    """Token, body, 202."""
    await _BODY.read(request)
    return BytesAnswer(_ANSWER, status=202)
