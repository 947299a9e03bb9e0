"""Entrance: reads a catalogue file, JSON lines of products and coupons; all of its faults at once."""

import codecs
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, BinaryIO

import msgspec
from msgspec import Meta

from app.api.catalogue_schemas import CouponTerms, ProductTerms
from app.api.schemas import CouponCode, ProductId
from app.application.catalogue_rules import coupon_faults, product_faults
from app.application.stock_keeping import LARGEST_STOCK
from app.domain.coupon import Coupon, normal_code
from app.domain.product import Product
from kits.patterns import published_message
from kits.web.doors.json_members import MemberCheck, RepeatedMemberError

MAX_LINES = 200_000
MAX_LINE_BYTES = 64 * 1024
_TOO_LONG = f"a file may have {MAX_LINES} lines of {MAX_LINE_BYTES} bytes; it is read no further."


class ProductLine(ProductTerms, frozen=True, kw_only=True, tag="product"):
    """A product; `stock` is its opening stock if the shop does not have it yet."""

    id: ProductId
    stock: Annotated[int, Meta(ge=0, le=LARGEST_STOCK)] = 0


class CouponLine(CouponTerms, frozen=True, kw_only=True, tag="coupon"):
    """A coupon by its code."""

    code: CouponCode


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
            faults += [f"line {number}: {fault}" for fault in _keep(entry, catalogue, number)]
    if faults:
        raise CatalogueFileError(faults)
    return catalogue


def _keep(entry: ProductLine | CouponLine, catalogue: CatalogueFile, number: int) -> list[str]:
    faults = []
    if first := catalogue.line_of.get(_name_of(entry)):
        faults.append(f"{_name_of(entry)} stands in line {first} already.")
    catalogue.line_of.setdefault(_name_of(entry), number)
    if isinstance(entry, ProductLine):
        product = Product(**msgspec.structs.asdict(entry))
        catalogue.products.append(product)
        broken = product_faults(product)
    else:
        coupon = Coupon(**msgspec.structs.asdict(entry))
        catalogue.coupons.append(coupon)
        broken = coupon_faults(coupon)
    return [*faults, *(f"`{fault.member}` {fault.detail}" for fault in broken)]


def _name_of(entry: ProductLine | CouponLine) -> str:
    return f"product {entry.id}" if isinstance(entry, ProductLine) else f"coupon {normal_code(entry.code)}"


def _sentence(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply."
    reason, _, place = published_message(str(error)).partition(" - at `$.")
    return f"`{place.rstrip('`')}`: {reason}." if place else f"{reason}."
