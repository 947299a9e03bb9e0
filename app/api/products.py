"""The shop's doors: what it sells; open to everybody."""

import re
from typing import Any

import msgspec
from litestar import Request, Router, get
from litestar.params import FromPath
from litestar.types import ASGIApp

from app.api.cursors import make_cursor, read_cursor
from app.api.dependencies import GivenQueries
from app.api.product_docs import GET_PRODUCT, LIST_PRODUCTS
from app.api.schemas import PRODUCT_ID, ProductBody, ProductPage, ProductQuery
from app.application.errors import ProductNotFoundError
from app.domain.product import Product
from kits.web.openapi import described
from kits.web.preconditions import PUBLIC, conditional_answer, content_tag
from kits.web.query import read_query

_PRODUCT_ID = re.compile(PRODUCT_ID)
_encode = msgspec.json.Encoder().encode


def product_routes() -> Router:
    """`/products`."""
    return Router("/products", route_handlers=[list_products, get_product])


@get(opt=described(LIST_PRODUCTS))
async def list_products(request: Request[Any, Any, Any], order_queries: GivenQueries) -> ASGIApp:
    """One page; one product more than the page has is read, to know whether another follows."""
    query = read_query(request, ProductQuery)
    after = read_cursor(query.cursor, _PRODUCT_ID) if query.cursor is not None else None
    found = await order_queries.products(after=after, limit=query.limit + 1)
    page = found[: query.limit]
    following = make_cursor(page[-1].id) if len(found) > query.limit else None
    return _tagged(request, ProductPage(items=[_body(one) for one in page], next=following))


@get("/{product_id:str}", opt=described(GET_PRODUCT))
async def get_product(
    request: Request[Any, Any, Any], product_id: FromPath[str], order_queries: GivenQueries
) -> ASGIApp:
    """One product."""
    if not _PRODUCT_ID.fullmatch(product_id):
        raise ProductNotFoundError("There is no such product.")
    return _tagged(request, _body(await order_queries.product(product_id)))


def _tagged(request: Request[Any, Any, Any], shown: ProductBody | ProductPage) -> ASGIApp:
    body = _encode(shown)
    return conditional_answer(request, body, etag=content_tag(body), headers=PUBLIC)


def _body(product: Product) -> ProductBody:
    return ProductBody(
        id=product.id,
        name=product.name,
        price=product.price,
        currency=product.currency,
        stock=product.stock,
    )
