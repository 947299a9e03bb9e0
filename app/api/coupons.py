"""The shop's doors: its staff keeps coupons."""

import re
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from litestar import Router, get, put
from litestar.middleware import DefineMiddleware
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter

from app.api.catalogue import (
    KEPT_ETAG,
    REFUSED_WRITES,
    WRITE_SCOPE,
    StaffRequest,
    address_fault,
    editor_of,
    expected_of,
    put_answer,
    refuse_faults,
)
from app.api.catalogue_schemas import CATALOGUE_COUPON, COUPON_TERMS, CatalogueCoupon, CouponTerms
from app.api.dependencies import GivenCatalogue
from app.api.order_looks import READ_SCOPE
from app.api.problems import staff_door
from app.api.schemas import COUPON_CODE
from app.application.catalogue_changes import fingerprint
from app.application.catalogue_errors import NoSuchCouponError
from app.application.catalogue_rules import coupon_faults
from app.domain.coupon import Coupon, normal_code
from kits.web.documents.openapi import IF_MATCH, IF_NONE_MATCH, SECURED, door
from kits.web.doors.answers import BytesAnswer
from kits.web.doors.json_body import JsonBody
from kits.web.doors.preconditions import PRIVATE, conditional_answer
from kits.web.tokens.scopes import require_scope

_CODE = re.compile(COUPON_CODE)
_COUPON_TERMS = JsonBody(CouponTerms)
CouponCode = Annotated[
    str, PathParameter(schema_extra={"maxLength": 64, "examples": [CATALOGUE_COUPON.code]})
]


def coupon_routes(authentication: DefineMiddleware) -> Router:
    """`/coupons`, for the shop's staff only."""
    return Router(
        "/coupons",
        route_handlers=[put_coupon, get_coupon],
        middleware=[authentication],
        tags=["coupons"],
        security=SECURED,
    )


@put(
    "/{code:str}",
    status_code=200,
    summary="Say what a coupon takes off",
    response_description="The coupon as it is now.",
    response_headers=[KEPT_ETAG],
    responses={201: ResponseSpec(CatalogueCoupon, generate_examples=False, description="It is new.")},
    operation_class=door(
        staff_door(*REFUSED_WRITES, "coupon_limits_too_low"),
        shows=CATALOGUE_COUPON,
        reads=COUPON_TERMS,
        headers=[IF_MATCH],
    ),
)
async def put_coupon(
    request: StaffRequest, code: CouponCode, catalogue: GivenCatalogue
) -> BytesAnswer[CatalogueCoupon]:
    """Creates the coupon (201) or changes it; the same again changes nothing. Needs `catalogue:write`.

    Its count of uses stays, and `totalLimit` may not be below it. What is left out is taken away. The code is
    kept in capital letters. `If-Match` as at a product. Orders keep the discount that they were placed with.
    Every change is audited.
    """
    require_scope(request.auth, WRITE_SCOPE)
    if not _CODE.fullmatch(code):
        detail = "1 to 32 letters, digits, `_` and `-`; a letter or a digit first."
        raise address_fault("code", detail)
    expected = expected_of(request)
    coupon = _coupon(code, await _COUPON_TERMS.read(request))
    refuse_faults(coupon_faults(coupon))
    became, kept = await catalogue.keeping.put_coupon(coupon, editor_of(request, "coupons"), expected)
    return put_answer(_coupon_body(kept), became, part=fingerprint(kept))


@get(
    "/{code:str}",
    summary="Look at a coupon",
    response_description="The coupon.",
    response_headers=[KEPT_ETAG],
    operation_class=door(staff_door("no_such_coupon"), shows=CATALOGUE_COUPON, headers=[IF_NONE_MATCH]),
)
async def get_coupon(
    request: StaffRequest, code: CouponCode, catalogue: GivenCatalogue
) -> BytesAnswer[CatalogueCoupon]:
    """With how often it is used. Needs `catalogue:write` or `orders:read`."""
    require_scope(request.auth, WRITE_SCOPE, READ_SCOPE)
    if not _CODE.fullmatch(code):
        raise NoSuchCouponError("There is no such coupon.")
    kept = await catalogue.queries.coupon(normal_code(code))
    return conditional_answer(request, _coupon_body(kept), headers=PRIVATE, part=fingerprint(kept))


def _coupon(code: str, terms: CouponTerms) -> Coupon:
    return Coupon(
        code=code,
        **{
            **msgspec.structs.asdict(terms),
            "valid_from": _in_utc(terms.valid_from),
            "valid_until": _in_utc(terms.valid_until),
        },
    )


def _in_utc(moment: datetime | None) -> datetime | None:
    try:
        return moment.astimezone(UTC) if moment else None
    except OverflowError:
        # At the ends of the calendar: refused as it is.
        return moment


def _coupon_body(coupon: Coupon) -> CatalogueCoupon:
    return CatalogueCoupon(
        code=coupon.code,
        kind=coupon.kind,
        value=coupon.value,
        currency=coupon.currency,
        minimum_subtotal=coupon.minimum_subtotal,
        valid_from=coupon.valid_from,
        valid_until=coupon.valid_until,
        total_limit=coupon.total_limit,
        customer_limit=coupon.customer_limit,
        used=coupon.used,
    )
