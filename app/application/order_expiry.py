"""Use cases: lets overdue orders expire, in the background."""

from contextlib import suppress

from app.application.errors import StorageBusyError, StorageConflictError, StorageUnavailableError
from app.application.order_life import OrderLife
from kits.process.background import PeriodicTask, Supervisor

_INTERVAL_SECONDS = 1.0


class OrderExpiry:
    """Looks for overdue orders every second; any number of processes may do so side by side.

    How late it is changes nothing but the moment at which pieces are for sale again: a payment is refused
    from the order's very last millisecond on.
    """

    def __init__(
        self, order_life: OrderLife, supervisor: Supervisor, *, interval_seconds: float = _INTERVAL_SECONDS
    ) -> None:
        self._order_life = order_life
        self._supervisor = supervisor
        self._task = PeriodicTask(self.expire_once, interval_seconds=interval_seconds)

    async def start(self) -> None:
        """Begin looking; returns at once."""
        self._supervisor.start("order-expiry", self._task.run)

    async def stop(self) -> None:
        """Stop looking; a batch that is cut short is rolled back."""
        await self._supervisor.stop()

    async def expire_once(self) -> bool:
        """Expire one batch; True when there may be more at once."""
        # Readiness tells about a database that is away; overdue orders wait.
        with suppress(StorageUnavailableError, StorageBusyError, StorageConflictError):
            return await self._order_life.expire_due()
        return False
