"""Use case errors of those who keep the catalogue; no customer sees them."""


class CatalogueError(Exception):
    """Root of them; the text is a sentence for the operator. Nothing was changed by what was refused."""

    code = "catalogue_refused"


class StockRefusedError(CatalogueError):
    """The stock would leave its bounds."""

    code = "stock_refused"


class CouponLimitsError(CatalogueError):
    """Coupons are used more often already than their new limit allows; `codes` says how often."""

    code = "coupon_limits_too_low"

    def __init__(self, codes: dict[str, int]) -> None:
        self.codes = codes
        super().__init__("Coupons are used more often already than their new totalLimit allows.")
