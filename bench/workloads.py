"""What is measured: kinds of requests, and how many of them are under way at a time."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from bench.no_op import NO_OP

ORDERS = "/orders"
PRODUCTS = 1000
STOCK = 2_000_000_000
"""No order of a run may be refused for it."""
COUPON = "WELCOME10"
_BODIES = 2000


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of load; `key` names it in results."""

    key: str
    title: str
    connections: int = 64
    lines: int = 1
    coupon: bool = False
    hot: bool = False
    path: str = ORDERS
    group_commit: bool = True

    @property
    def orders(self) -> bool:
        """Whether its requests create orders."""
        return self.path == ORDERS


RANDOM = Workload("a", "random products")
HOT = Workload("b", "one hot product", hot=True)
CEILING = Workload("c", "no-op: token and body only", path=NO_OP)
ONE_BY_ONE = Workload("d", "one transaction per request", group_commit=False)
DEFAULT = (CEILING, RANDOM, HOT, ONE_BY_ONE)


def full_matrix() -> tuple[Workload, ...]:
    """The default workloads, and each kind of order at 64 and 256 connections."""
    more: list[Workload] = []
    for connections in (64, 256):
        for lines in (1, 5):
            for coupon in (False, True):
                for kind in (CEILING, RANDOM, HOT):
                    suffix = f"-{connections}-{lines}{'-coupon' if coupon else ''}"
                    title = f"{kind.title}, {lines} line{'s' * (lines > 1)}{', coupon' * coupon}"
                    if (connections, lines, coupon) != (64, 1, False):
                        more.append(
                            replace(
                                kind,
                                key=kind.key + suffix,
                                title=title,
                                connections=connections,
                                lines=lines,
                                coupon=coupon,
                            )
                        )
    return (*DEFAULT, *more)


def bodies(workload: Workload, rng: random.Random) -> Sequence[bytes]:
    """Bodies for the generators to choose from, each product of an order once."""
    return [_body(workload, rng) for _ in range(_BODIES)]


def _body(workload: Workload, rng: random.Random) -> bytes:
    first = 1 if workload.hot else rng.randint(1, PRODUCTS)
    others = rng.sample([number for number in range(1, PRODUCTS + 1) if number != first], workload.lines - 1)
    items = [{"productId": f"p-{number}", "quantity": rng.randint(1, 3)} for number in (first, *others)]
    return msgspec.json.encode({"items": items, **({"couponCode": COUPON} if workload.coupon else {})})
