"""Use cases: which rows of the catalogue another session holds, asked without standing in anybody's way."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from app.application.errors import LockWaitError, Row
from app.application.ports import Transactions, UnitOfWork

PRODUCT, COUPON = "product", "coupon"


async def lock_free_rows(rows: AbstractSet[Row], uow: UnitOfWork) -> set[Row]:
    """Lock those that nobody holds, products before coupons, without waiting; returns those that are held."""
    products, codes = _names(PRODUCT, rows), _names(COUPON, rows)
    held = (
        {(PRODUCT, product_id) for product_id in await uow.products.lock_free(products)}
        if products
        else set()
    )
    return held | ({(COUPON, code) for code in await uow.coupons.lock_free(codes)} if codes else set())


class HeldRows:
    """Looks in transactions of its own, which change nothing."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def held(self, rows: AbstractSet[Row]) -> set[Row]:
        """Those of the rows that another session holds at this moment.

        Raises:
            StorageError: that cannot be found out now.
        """
        async with self._transactions(hurried=True) as uow:
            return await lock_free_rows(rows, uow)

    async def becomes_free(self, row: Row) -> bool:
        """Queue for one row, holding nothing meanwhile; whether its turn came, 250 ms are given at least.

        Raises:
            StorageError: as `held`.
        """
        kind, name = row
        try:
            async with self._transactions(hurried=True) as uow:
                await (uow.products.lock({name}) if kind == PRODUCT else uow.coupons.lock({(name, "")}))
        except LockWaitError:
            return False
        return True


def _names(kind: str, rows: Iterable[Row]) -> set[str]:
    return {name for of_kind, name in rows if of_kind == kind}
