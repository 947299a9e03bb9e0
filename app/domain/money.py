"""Domain: money in integer minor units of one currency (KRW 1,000 is 1000, EUR 10.00 is 1000)."""

MAX_PRICE = 10_000_000_000
"""Minor units. A full order (100 lines of 1,000 pieces) at this price still fits a JSON number exactly."""


def percent_of(amount: int, percent: int) -> int:
    """`percent` per cent of `amount`, rounded down to a whole minor unit.

    Rounding down keeps discount + total = subtotal exact and never gives away more than was promised.
    """
    return amount * percent // 100
