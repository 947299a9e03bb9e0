"""Domain: who sells a product, as far as the shop knows: members belong to another service."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.product import Product

UNKNOWN_MEMBER = "Unknown Member"


class SellerSource(StrEnum):
    """Where a seller's name is from."""

    REPLICA = "replica"
    """The shop's own copy, kept by the events of the members."""
    MEMBER_API = "member-api"
    """Their service, asked for this answer."""
    CACHE = "cache"
    """Their service, asked for an answer before."""
    FALLBACK = "fallback"
    """Nowhere: the name is not known now."""


@dataclass(frozen=True, slots=True)
class Seller:
    """A member who sells; `as_of` is None if the name is not known.

    In the replica it is when the member got this name, from the Member API when that was asked.
    """

    id: str
    name: str
    source: SellerSource
    as_of: datetime | None


@dataclass(frozen=True, slots=True)
class ListedProduct:
    """A product as the shop shows it; without a seller it is the shop's own."""

    product: Product
    seller: Seller | None


def unknown_seller(member_id: str) -> Seller:
    """What is shown of a seller whose name is not known."""
    return Seller(member_id, UNKNOWN_MEMBER, SellerSource.FALLBACK, None)
