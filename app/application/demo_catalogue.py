"""Use cases: products and a coupon to try the shop with."""

from dataclasses import replace

from app.domain.coupon import Coupon, CouponKind
from app.domain.product import Product

PRODUCTS = 20
DEMO_SELLER = "m-1"
STOCK = 100_000
_GOODS = (
    "Espresso beans 1 kg", "Filter papers", "Hand grinder", "Moka pot", "Gooseneck kettle", "Kitchen scale",
    "Milk pitcher", "Cold brew jar", "Travel mug", "Tasting spoon", "Green tea 100 g", "Matcha whisk",
    "Teapot", "Honey 500 g", "Oat biscuits", "Dark chocolate", "Thermos", "Coffee canister", "Cup and saucer",
    "Cleaning brush",
)  # fmt: skip


def demo_products(count: int = PRODUCTS, stock: int = STOCK) -> list[Product]:
    """Products p-1 … p-`count`, each with `stock` pieces, priced in KRW (the won has no smaller unit).

    The first one is sold by the member m-1, the others by the shop itself.
    """
    first, *others = [
        Product(f"p-{number}", _GOODS[(number - 1) % len(_GOODS)], 1000 + 500 * (number % 40), "KRW", stock)
        for number in range(1, count + 1)
    ]
    return [replace(first, seller_id=DEMO_SELLER), *others]


def demo_coupons() -> list[Coupon]:
    """WELCOME10: ten per cent, no limits."""
    return [Coupon("WELCOME10", CouponKind.PERCENT, 10)]
