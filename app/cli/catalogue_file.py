"""Entrance: reads a catalogue file, JSON lines of products and coupons; all of its faults at once."""

import codecs
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Annotated, BinaryIO

import msgspec
from msgspec import Meta

from app.api.schemas import CouponCode, MemberId, ProductId
from app.application.stock_keeping import LARGEST_STOCK
from app.domain.coupon import Coupon, CouponKind, normal_code
from app.domain.money import MAX_PRICE
from app.domain.product import Product
from kits.patterns import published_message, whole
from kits.web.doors.json_members import MemberCheck, RepeatedMemberError

MAX_LINES = 200_000
MAX_LINE_BYTES = 64 * 1024
_TOO_LONG = f"a file may have {MAX_LINES} lines of {MAX_LINE_BYTES} bytes; it is read no further."
_LARGEST_LIMIT = 2_000_000_000

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Currency = Annotated[str, Meta(pattern=whole("[A-Z]{3}"))]
Price = Annotated[int, Meta(ge=0, le=MAX_PRICE)]
Limit = Annotated[int, Meta(ge=1, le=_LARGEST_LIMIT)]
Moment = Annotated[datetime, Meta(tz=True)]


class ProductLine(
    msgspec.Struct, frozen=True, kw_only=True, tag="product", rename="camel", forbid_unknown_fields=True
):
    """A product; `stock` is its opening stock if the shop does not have it yet."""

    id: ProductId
    name: Name
    price: Price
    currency: Currency
    stock: Annotated[int, Meta(ge=0, le=LARGEST_STOCK)] = 0
    seller_id: MemberId | None = None


class CouponLine(
    msgspec.Struct, frozen=True, kw_only=True, tag="coupon", rename="camel", forbid_unknown_fields=True
):
    """A coupon; without a limit there is none."""

    code: CouponCode
    kind: CouponKind
    value: Annotated[int, Meta(ge=1, le=MAX_PRICE)]
    currency: Currency | None = None
    minimum_subtotal: Price = 0
    valid_from: Moment | None = None
    valid_until: Moment | None = None
    total_limit: Limit | None = None
    customer_limit: Limit | None = None


@dataclass(slots=True)
class CatalogueFile:
    """What a file says; `line_of` finds "product p-1" and "coupon WELCOME10" in it again."""

    products: list[Product] = field(default_factory=list)
    coupons: list[Coupon] = field(default_factory=list)
    line_of: dict[str, int] = field(default_factory=dict)


class CatalogueFileError(Exception):
    """The file cannot be imported; `faults` has one sentence per fault, each with its line."""

    code = "catalogue_file_invalid"

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


def read_catalogue(stream: BinaryIO) -> CatalogueFile:
    """Read every line, blank ones aside; at most 200,000 lines of 64 KiB.

    Raises:
        CatalogueFileError: with every fault of every line.
    """
    decoder = msgspec.json.Decoder(ProductLine | CouponLine)
    members = MemberCheck(ProductLine | CouponLine)
    catalogue = CatalogueFile()
    faults: list[str] = []
    for number, line in enumerate(iter(partial(stream.readline, MAX_LINE_BYTES + 1), b""), start=1):
        if number > MAX_LINES or len(line) > MAX_LINE_BYTES:
            faults.append(f"line {number}: {_TOO_LONG}")
            break
        content = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        if not content.strip():
            continue
        try:
            entry = decoder.decode(content)
            members.require_unique(content, entry)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, RepeatedMemberError) as error:
            faults.append(f"line {number}: {_sentence(error)}")
        else:
            faults += [f"line {number}: {fault}" for fault in _faults(entry, catalogue)]
            _keep(entry, catalogue, number)
    if faults:
        raise CatalogueFileError(faults)
    return catalogue


def _keep(entry: ProductLine | CouponLine, catalogue: CatalogueFile, number: int) -> None:
    catalogue.line_of.setdefault(_name_of(entry), number)
    if isinstance(entry, ProductLine):
        catalogue.products.append(Product(**msgspec.structs.asdict(entry)))
    else:
        catalogue.coupons.append(Coupon(**msgspec.structs.asdict(entry)))


def _faults(entry: ProductLine | CouponLine, catalogue: CatalogueFile) -> list[str]:
    faults = []
    if first := catalogue.line_of.get(_name_of(entry)):
        faults.append(f"{_name_of(entry)} stands in line {first} already.")
    if isinstance(entry, ProductLine):
        if not entry.name.isprintable():
            faults.append("`name` has a character that cannot be printed.")
    else:
        faults += _coupon_faults(entry)
    return faults


def _coupon_faults(entry: CouponLine) -> list[str]:
    faults = []
    if entry.kind is CouponKind.PERCENT and entry.value > 100:
        faults.append("`value` is more than 100 per cent.")
    if entry.currency is None and (entry.kind is CouponKind.FIXED or entry.minimum_subtotal):
        faults.append("`currency` is missing: a fixed value and a minimumSubtotal are amounts of money.")
    if entry.valid_from and entry.valid_until and entry.valid_from >= entry.valid_until:
        faults.append("`validUntil` is not after `validFrom`.")
    return faults


def _name_of(entry: ProductLine | CouponLine) -> str:
    return f"product {entry.id}" if isinstance(entry, ProductLine) else f"coupon {normal_code(entry.code)}"


def _sentence(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply."
    reason, _, place = published_message(str(error)).partition(" - at `$.")
    return f"`{place.rstrip('`')}`: {reason}." if place else f"{reason}."
