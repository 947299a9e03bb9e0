"""Persistence: the database's clock, as one transaction reads it."""

from datetime import datetime

from sqlalchemy import func, select

from kits.postgres.driver import DriverConnection, DriverStatement

_NOW = DriverStatement(select(func.clock_timestamp()))


class TransactionClock:
    """Asks once at most: a statement that was run anyway may have told the time already."""

    def __init__(self, connection: DriverConnection) -> None:
        self._connection = connection
        self._moment: datetime | None = None

    def told(self, moment: datetime) -> datetime:
        """A statement of this transaction has read the clock; the first one counts."""
        if self._moment is None:
            self._moment = as_told(moment)
        return self._moment

    async def now(self) -> datetime:
        """The database's clock, to the millisecond that the events carry."""
        if self._moment is not None:
            return self._moment
        ((moment,),) = await self._connection.fetch(_NOW)
        return self.told(moment)


def as_told(moment: datetime) -> datetime:
    """The moment to the millisecond that the events carry."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
