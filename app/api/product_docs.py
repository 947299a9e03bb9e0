"""What the documentation says about the doors for products."""

from app.api.examples import PRODUCT, PRODUCT_PAGE
from app.api.order_docs import IF_NONE_MATCH, UNCHANGED
from app.api.schemas import ProductBody, ProductPage, ProductQuery
from kits.web.openapi import Answer, Link, Operation

_ALWAYS = ("internal_error", "overloaded", "storage_unavailable", "storage_busy")

LIST_PRODUCTS = Operation(
    summary="List the products",
    description="Page by page in the order of their ids. Follow `next` until it is null.",
    tag="products",
    query=ProductQuery,
    request_headers={"If-None-Match": IF_NONE_MATCH},
    answers=(
        Answer(
            200,
            "One page.",
            ProductPage,
            PRODUCT_PAGE,
            {"ETag": "What it says, hashed."},
            links={
                "product": Link(
                    "get_products_product_id",
                    {"product_id": "$response.body#/items/0/id"},
                    "Its first product.",
                )
            },
        ),
        UNCHANGED,
    ),
    problems=("invalid_request", *_ALWAYS),
)

GET_PRODUCT = Operation(
    summary="Look at a product",
    description="What it costs, and how many pieces are left now.",
    tag="products",
    path={"product_id": {"type": "string", "maxLength": 64, "examples": [PRODUCT.id]}},
    request_headers={"If-None-Match": IF_NONE_MATCH},
    answers=(
        Answer(200, "The product.", ProductBody, PRODUCT, {"ETag": "What it says, hashed."}),
        UNCHANGED,
    ),
    problems=("product_not_found", "invalid_request", *_ALWAYS),
)
