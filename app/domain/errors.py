"""Domain errors: why the shop refuses a command; each has a stable code and the facts behind it."""


class OrderError(Exception):
    """A refused command. Nothing of it happened, and trying again unchanged would be refused again."""

    code = "order_refused"

    def __init__(self, reason: str, **facts: str | int) -> None:
        self.facts = facts
        super().__init__(reason)


class InvalidRequestError(OrderError):
    """The command breaks a rule that no state of the shop could change."""

    code = "invalid_request"


class UnknownProductError(OrderError):
    """The shop does not sell this product."""

    code = "unknown_product"

    def __init__(self, product_id: str) -> None:
        super().__init__(f"There is no product {product_id}.", product=product_id)


class OutOfStockError(OrderError):
    """Fewer pieces are left than were ordered; `available` is what is left now."""

    code = "out_of_stock"

    def __init__(self, product_id: str, available: int) -> None:
        super().__init__(
            f"Product {product_id} has only {available} left.", product=product_id, available=available
        )


class TooManyOpenOrdersError(OrderError):
    """So many orders of the customer wait for their payment that no further one may hold stock; `limit`."""

    code = "too_many_open_orders"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} orders wait for their payment already: pay or cancel one, or let one expire.",
            limit=limit,
        )


class ClientReferenceUsedError(OrderError):
    """The customer has an order with this reference already, `order_id`."""

    code = "client_reference_used"

    def __init__(self, order_id: str) -> None:
        super().__init__(f"Order {order_id} of this customer has this reference.", orderId=order_id)


class MixedCurrenciesError(OrderError):
    """The products of one order are priced in different currencies."""

    code = "mixed_currencies"


class CouponNotFoundError(OrderError):
    """No coupon has this code."""

    code = "coupon_not_found"


class CouponExpiredError(OrderError):
    """The coupon is not valid yet, or no longer."""

    code = "coupon_expired"


class CouponNotApplicableError(OrderError):
    """The coupon exists, but not for this order: another currency, or the order is too small."""

    code = "coupon_not_applicable"


class CouponExhaustedError(OrderError):
    """The coupon was used as often as it may be, in all or by this customer."""

    code = "coupon_exhausted"


class InvalidTransitionError(OrderError):
    """The order does not go from where it stands to where it was to go; `current` is where it stands."""

    code = "invalid_transition"

    def __init__(self, current: str, wanted: str) -> None:
        super().__init__(f"The order is {current}: it cannot become {wanted}.", current=current)


class PaymentRefusedError(InvalidTransitionError):
    """The order takes no payment where it stands; this one is recorded, and its money is to be given back."""

    def __init__(self, current: str) -> None:
        OrderError.__init__(
            self,
            f"The order is {current}: it cannot become PAID. The payment is recorded as refused: give its"
            " money back.",
            current=current,
        )


class PaymentTooLateError(PaymentRefusedError):
    """The payment came when the order's time was over: the order is EXPIRED now, whoever noticed it first."""

    def __init__(self) -> None:
        super().__init__("EXPIRED")


class PaymentAmountMismatchError(OrderError):
    """What was paid is not what the order costs; nothing was recorded."""

    code = "payment_amount_mismatch"

    def __init__(self, *, total: int, currency: str, amount: int, sent_currency: str) -> None:
        super().__init__(
            f"The order costs {total} {currency}, the payment is of {amount} {sent_currency}.",
            total=total,
            currency=currency,
            amount=amount,
            sentCurrency=sent_currency,
        )


class PaymentReferenceUsedError(OrderError):
    """The provider has used this reference for another order; nothing was recorded."""

    code = "payment_reference_used"

    def __init__(self, reference: str) -> None:
        super().__init__("This reference names the payment of another order.", reference=reference)
