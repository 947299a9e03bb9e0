"""Use case errors of those who keep the catalogue; no customer sees them."""


class CatalogueError(Exception):
    """Root of them; the text is a sentence for the operator. Nothing was changed by what was refused.

    `code` is stable, `facts` are shown to the caller.
    """

    code = "catalogue_refused"

    def __init__(self, reason: str, **facts: str | int) -> None:
        self.facts = facts
        super().__init__(reason)


class StockRefusedError(CatalogueError):
    """More pieces than a product may have would be left."""

    code = "stock_refused"


class StockTooLowError(StockRefusedError):
    """Fewer than no pieces would be left; `available` is what is there now."""

    code = "out_of_stock"


class CatalogueChangedError(CatalogueError):
    """It is not what the caller has in mind: changed meanwhile, or not there at all."""

    code = "precondition_failed"


class NoSuchCouponError(CatalogueError):
    """There is no such coupon."""

    code = "no_such_coupon"


class CouponLimitsError(CatalogueError):
    """Coupons are used more often already than their new limit allows; `codes` says how often.

    `coupon` and `used` are the first of them.
    """

    code = "coupon_limits_too_low"

    def __init__(self, codes: dict[str, int]) -> None:
        self.codes = codes
        code, used = next(iter(codes.items()))
        super().__init__(
            f"Coupon {code} is used {used} times already, more often than its new totalLimit allows.",
            coupon=code,
            used=used,
        )
