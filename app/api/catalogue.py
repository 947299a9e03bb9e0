"""The shop's doors: its staff keeps products and coupons."""

import re
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from litestar import Request, Router, put
from litestar.middleware import DefineMiddleware
from litestar.openapi.datastructures import ResponseSpec

from app.api.catalogue_schemas import (
    CATALOGUE_PRODUCT,
    PRODUCT_TERMS,
    CatalogueProduct,
    ProductTerms,
)
from app.api.dependencies import GivenCatalogue
from app.api.problems import staff_door
from app.api.products import ProductId
from app.api.schemas import PRODUCT_ID
from app.application.catalogue_changes import Verdict, fingerprint
from app.application.catalogue_keeping import Precondition
from app.application.catalogue_ports import Editor
from app.application.catalogue_rules import RuleFault, product_faults
from app.domain.product import Product
from kits.web.documents.openapi import IF_MATCH, SECURED, answer_header, door
from kits.web.doors.answers import BytesAnswer, encode
from kits.web.doors.json_body import JsonBody
from kits.web.doors.preconditions import (
    content_tag,
    expected_tags,
    has_if_match,
    parts_of,
)
from kits.web.problems.details import FieldError, ProblemError
from kits.web.tokens.scopes import require_scope
from kits.web.tokens.verifier import Identity

WRITE_SCOPE = "catalogue:write"
T = TypeVar("T")
StaffRequest = Request[Any, Identity, Any]
KEPT_ETAG = answer_header("ETag", "What it says, hashed; up to the dot, what a PUT may change of it.")
REFUSED_WRITES = (
    "precondition_failed",
    "malformed_body",
    "payload_too_large",
    "unsupported_media_type",
)
_PRODUCT_ID = re.compile(PRODUCT_ID)
_PRODUCT_TERMS = JsonBody(ProductTerms)


def product_keeping_routes(authentication: DefineMiddleware) -> Router:
    """In `/products`: what a product is."""
    return Router(
        "",
        route_handlers=[put_product],
        middleware=[authentication],
        security=SECURED,
    )


@put(
    "/{product_id:str}",
    status_code=200,
    summary="Say what a product is",
    response_description="The product as it is now.",
    response_headers=[KEPT_ETAG],
    responses={
        201: ResponseSpec(
            CatalogueProduct, generate_examples=False, description="It is new, and has no pieces yet."
        )
    },
    operation_class=door(
        staff_door(*REFUSED_WRITES), shows=CATALOGUE_PRODUCT, reads=PRODUCT_TERMS, headers=[IF_MATCH]
    ),
)
async def put_product(
    request: StaffRequest, product_id: ProductId, catalogue: GivenCatalogue
) -> BytesAnswer[CatalogueProduct]:
    """Creates the product (201) or changes it; the same again changes nothing. Needs `catalogue:write`.

    Its stock stays: a new product has none, see `/products/{product_id}/stock-movements`. What is left out is
    taken away. With `If-Match` (the ETag of a GET or of a PUT) the product must be there, and nobody may have
    changed it meanwhile; that its stock has moved does not matter. Orders keep the prices that they were
    placed at. Every change is audited.
    """
    require_scope(request.auth, WRITE_SCOPE)
    require_product_id(product_id)
    expected = expected_of(request)
    terms = await _PRODUCT_TERMS.read(request)
    product = Product(id=product_id, stock=0, **msgspec.structs.asdict(terms))
    refuse_faults(product_faults(product))
    became, kept = await catalogue.keeping.put_product(product, editor_of(request, "products"), expected)
    shown = CatalogueProduct(
        id=kept.id,
        name=kept.name,
        price=kept.price,
        currency=kept.currency,
        seller_id=kept.seller_id,
        stock=kept.stock,
    )
    return put_answer(shown, became, part=fingerprint(kept))


def require_product_id(product_id: str) -> None:
    """Raises ProblemError, invalid_request, unless a product may have this id."""
    if not _PRODUCT_ID.fullmatch(product_id):
        detail = "1 to 64 letters, digits, `.`, `_` and `-`; a letter or a digit first."
        raise address_fault("product_id", detail)


def refuse_faults(faults: Sequence[RuleFault]) -> None:
    """Raises ProblemError, invalid_request, with a pointer for each fault of a body, if there are any."""
    if faults:
        errors = [FieldError(detail=f"It {fault.detail}", pointer=f"#/{fault.member}") for fault in faults]
        raise ProblemError("invalid_request", "The body breaks a rule; see errors.", errors=errors)


def address_fault(parameter: str, detail: str) -> ProblemError:
    """A part of the address that breaks its rule."""
    fault = FieldError(detail=detail, parameter=parameter)
    return ProblemError("invalid_request", "The address breaks a rule; see errors.", errors=[fault])


def expected_of(request: StaffRequest) -> Precondition:
    """What If-Match says of what is to be changed."""
    return Precondition(must_exist=has_if_match(request), fingerprints=parts_of(expected_tags(request)))


def editor_of(request: StaffRequest, kept: str) -> Editor:
    """The token's subject, at the door of what is `kept`."""
    return Editor(request.auth.subject, f"PUT /{kept}")


def put_answer(shown: T, became: Verdict, *, part: str) -> BytesAnswer[T]:
    """201 for what is new, else 200."""
    body = encode(shown)
    status = 201 if became is Verdict.NEW else 200
    return BytesAnswer(body, status=status, headers={"etag": content_tag(body, part)})
