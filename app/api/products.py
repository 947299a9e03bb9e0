"""The shop's doors: what it sells; open to everybody."""

import re
from typing import Annotated, Any

from litestar import Request, Router, get
from litestar.openapi.spec import Link
from litestar.params import PathParameter

from app.api.dependencies import GivenQueries
from app.api.paging import DEFAULT_LIMIT, PageCursor, PageLimit, make_cursor, read_cursor
from app.api.problems import open_door
from app.api.schemas import PRODUCT, PRODUCT_ID, PRODUCT_PAGE, ProductBody, ProductPage, SellerBody
from app.application.catalogue_changes import fingerprint
from app.application.errors import ProductNotFoundError
from app.application.order_queries import OrderQueries
from app.domain.seller import ListedProduct, Seller
from kits.web.documents.openapi import IF_NONE_MATCH, answer_header, door
from kits.web.doors.answers import BytesAnswer
from kits.web.doors.preconditions import PUBLIC, conditional_answer

_PRODUCT_ID = re.compile(PRODUCT_ID)
ProductId = Annotated[str, PathParameter(schema_extra={"maxLength": 64, "examples": [PRODUCT.id]})]
_ETAG = answer_header("ETag", "What it says, hashed.")
_LOOK = door(open_door("product_not_found", "invalid_request"), shows=PRODUCT, headers=[IF_NONE_MATCH])
_FIRST = Link(
    operation_id="get_products_product_id",
    parameters={"product_id": "$response.body#/items/0/id"},
    description="Its first product.",
)


def product_routes(*staff: Router) -> Router:
    """`/products`, with the doors in it that are for the shop's staff."""
    return Router("/products", route_handlers=[list_products, get_product, *staff], tags=["products"])


def item_routes() -> Router:
    """`/items`: what the members call a product."""
    return Router("/items", route_handlers=[get_item], tags=["products"])


@get(
    summary="List the products",
    response_description="One page.",
    response_headers=[_ETAG],
    operation_class=door(
        open_door("invalid_request"), shows=PRODUCT_PAGE, headers=[IF_NONE_MATCH], links={"product": _FIRST}
    ),
)
async def list_products(
    request: Request[Any, Any, Any],
    order_queries: GivenQueries,
    limit: PageLimit = DEFAULT_LIMIT,
    cursor: PageCursor = None,
) -> BytesAnswer[ProductPage]:
    """Page by page in the order of their ids. Follow `next` until it is null."""
    after = read_cursor(cursor, _PRODUCT_ID) if cursor is not None else None
    # One more than the page has is read, to know whether another follows.
    found = await order_queries.products(after=after, limit=limit + 1)
    page = found[:limit]
    following = make_cursor(page[-1].product.id) if len(found) > limit else None
    shown = ProductPage(items=[_body(one) for one in page], next=following)
    return conditional_answer(request, shown, headers=PUBLIC)


@get(
    "/{product_id:str}",
    summary="Look at a product",
    response_description="The product.",
    response_headers=[_ETAG],
    operation_class=_LOOK,
)
async def get_product(
    request: Request[Any, Any, Any], product_id: ProductId, order_queries: GivenQueries
) -> BytesAnswer[ProductBody]:
    """What it costs, who sells it, and how many pieces are left now.

    The seller's name is the best that is known now: an answer never fails for it.
    """
    return await _shown(request, product_id, order_queries)


@get(
    "/{product_id:str}",
    summary="Look at a product as an item",
    response_description="The product.",
    response_headers=[_ETAG],
    operation_class=_LOOK,
)
async def get_item(
    request: Request[Any, Any, Any], product_id: ProductId, order_queries: GivenQueries
) -> BytesAnswer[ProductBody]:
    """The same as `/products/{product_id}`."""
    return await _shown(request, product_id, order_queries)


async def _shown(
    request: Request[Any, Any, Any], product_id: str, order_queries: OrderQueries
) -> BytesAnswer[ProductBody]:
    if not _PRODUCT_ID.fullmatch(product_id):
        raise ProductNotFoundError("There is no such product.")
    listed = await order_queries.product(product_id)
    # What a PUT may change has a tag of its own in the tag: stock and seller's name go on without one.
    part = fingerprint(listed.product)
    return conditional_answer(request, _body(listed), headers=PUBLIC, part=part)


def _body(listed: ListedProduct) -> ProductBody:
    product = listed.product
    return ProductBody(
        id=product.id,
        name=product.name,
        price=product.price,
        currency=product.currency,
        stock=product.stock,
        seller=_seller(listed.seller) if listed.seller else None,
    )


def _seller(seller: Seller) -> SellerBody:
    return SellerBody(id=seller.id, name=seller.name, source=seller.source, as_of=seller.as_of)
