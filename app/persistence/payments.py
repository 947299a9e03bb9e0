"""Persistence: payments, one row each, written once; the key is what the provider calls it."""

from sqlalchemy import Text, bindparam, literal_column, select

from app.domain.order import OrderStatus
from app.domain.payment import PaymentOutcome, RecordedPayment
from app.persistence.tables import payments
from kits.postgres.driver import DriverConnection, DriverStatement
from kits.postgres.schema import as_document, insert_from_document

_FIND = DriverStatement(
    select(payments).where(
        payments.c.provider == bindparam("provider", type_=Text),
        payments.c.reference == bindparam("reference", type_=Text),
    )
)
_ADD = DriverStatement(
    insert_from_document(payments, *(column.name for column in payments.columns))
    .on_conflict_do_nothing(index_elements=[payments.c.provider, payments.c.reference])
    .returning(literal_column("1"))
)


class SqlPaymentRepository:
    """Payments of one transaction; locked after everything else."""

    def __init__(self, connection: DriverConnection) -> None:
        self._connection = connection

    async def find(self, provider: str, reference: str) -> RecordedPayment | None:
        """The payment that this provider names so."""
        found = await self._connection.fetch(_FIND, {"provider": provider, "reference": reference})
        if not found:
            return None
        values = dict(found[0])
        values["order_id"] = str(values["order_id"])
        values["outcome"] = PaymentOutcome(values["outcome"])
        values["status"] = OrderStatus(values["status"])
        return RecordedPayment(**values)

    async def add(self, payment: RecordedPayment) -> bool:
        """Insert one; False: the reference is taken. One that is being inserted elsewhere is waited for."""
        return bool(await self._connection.fetch(_ADD, as_document([payment])))
