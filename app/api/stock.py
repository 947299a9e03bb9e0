"""The shop's doors: pieces that arrive, break or are counted anew, and what became of them."""

from litestar import Router, get, post
from litestar.middleware import DefineMiddleware

from app.api.catalogue import WRITE_SCOPE, StaffRequest, refuse_faults, require_product_id
from app.api.catalogue_schemas import (
    MOVEMENT,
    MOVEMENT_PAGE,
    MOVEMENT_REQUEST,
    MovementBody,
    MovementPage,
    MovementRequest,
)
from app.api.dependencies import GivenCatalogue
from app.api.idempotency import REPLAYED, REPLAYED_HEADER, REQUIRED_KEY_HEADER, required_key
from app.api.order_ids import ORDER_ID
from app.api.order_looks import READ_SCOPE
from app.api.paging import DEFAULT_LIMIT, PageAfter, PageLimit, make_cursor, read_cursor
from app.api.problems import staff_door
from app.api.products import ProductId
from app.application.catalogue_ports import RecordedMovement, StockMovement
from app.application.catalogue_rules import movement_faults
from kits.observability.logs import get_logger
from kits.web.documents.openapi import IF_NONE_MATCH, SECURED, answer_header, door
from kits.web.doors.answers import BytesAnswer, json_answer
from kits.web.doors.json_body import JsonBody
from kits.web.doors.preconditions import PRIVATE, conditional_answer
from kits.web.tokens.scopes import require_scope

log = get_logger(__name__)

_MOVEMENT = JsonBody(MovementRequest)
_ADDRESS = "/{product_id:str}/stock-movements"


def stock_routes(authentication: DefineMiddleware) -> Router:
    """In `/products`: `/{product_id}/stock-movements`."""
    return Router(
        "",
        route_handlers=[move_stock, list_movements],
        middleware=[authentication],
        security=SECURED,
    )


@post(
    _ADDRESS,
    status_code=201,
    summary="Move the stock of a product",
    response_description="It is done, now or by an earlier request with the same key.",
    response_headers=[REPLAYED_HEADER],
    operation_class=door(
        staff_door(
            "product_not_found",
            "out_of_stock",
            "stock_refused",
            "malformed_body",
            "payload_too_large",
            "unsupported_media_type",
            "idempotency_key_reused",
        ),
        shows=MOVEMENT,
        reads=MOVEMENT_REQUEST,
        headers=[REQUIRED_KEY_HEADER],
    ),
)
async def move_stock(
    request: StaffRequest, product_id: ProductId, catalogue: GivenCatalogue
) -> BytesAnswer[MovementBody]:
    """Adds pieces, or takes them away; never below 0. Needs `catalogue:write` and an `Idempotency-Key`.

    A difference, not a number: orders go on taking from the stock meanwhile. Who, when, how many and why is
    kept in the same transaction.
    """
    require_scope(request.auth, WRITE_SCOPE)
    require_product_id(product_id)
    body = await _MOVEMENT.read(request)
    refuse_faults(movement_faults(body.quantity, body.reason))
    done = await catalogue.stock.add_for_caller(
        StockMovement(
            movement_id=catalogue.new_id(),
            product_id=product_id,
            delta=body.quantity,
            actor=request.auth.subject,
            reason=body.reason,
            idempotency=required_key(request.scope["headers"], (product_id, body)),
        )
    )
    if done.replayed:
        return json_answer(_shown(done), status=201, headers=REPLAYED)
    log.info("stock_moved", product_id=product_id, quantity=body.quantity, stock=done.stock_after)
    return json_answer(_shown(done), status=201)


@get(
    _ADDRESS,
    summary="List how the stock of a product moved",
    response_description="One page.",
    response_headers=[answer_header("ETag", "What it says, hashed.")],
    operation_class=door(staff_door("product_not_found"), shows=MOVEMENT_PAGE, headers=[IF_NONE_MATCH]),
)
async def list_movements(
    request: StaffRequest,
    product_id: ProductId,
    catalogue: GivenCatalogue,
    limit: PageLimit = DEFAULT_LIMIT,
    after: PageAfter = None,
) -> BytesAnswer[MovementPage]:
    """Movements by staff and by imports, newest first. Needs `catalogue:write` or `orders:read`.

    What orders take, and what comes back from them, is not listed one by one; `stock` is what was left after
    each movement, orders included. Send `next` as `after` until it is null.
    """
    require_scope(request.auth, WRITE_SCOPE, READ_SCOPE)
    require_product_id(product_id)
    before = read_cursor(after, ORDER_ID, parameter="after") if after is not None else None
    # One more than the page has is read, to know whether another follows.
    found = await catalogue.queries.movements(product_id, before=before, limit=limit + 1)
    page = found[:limit]
    following = make_cursor(page[-1].movement.movement_id) if len(found) > limit else None
    shown = MovementPage(items=[_shown(one) for one in page], next=following)
    return conditional_answer(request, shown, headers=PRIVATE)


def _shown(done: RecordedMovement) -> MovementBody:
    movement = done.movement
    return MovementBody(
        movement_id=movement.movement_id,
        product_id=movement.product_id,
        quantity=movement.delta,
        stock=done.stock_after,
        reason=movement.reason,
        at=done.at,
        by=movement.actor,
    )
