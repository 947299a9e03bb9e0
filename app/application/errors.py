"""Use case errors: what stands between a caller and an answer, beside the refusals of the domain."""

from collections.abc import Iterable

Row = tuple[str, str]
"""A row that a command names: its kind, and the name that customers know it by."""


class ApplicationError(Exception):
    """Root of the use case errors; `code` is stable, `facts` are shown to the caller."""

    code = "application_error"

    def __init__(self, reason: str, **facts: str | int) -> None:
        self.facts = facts
        super().__init__(reason)


class OrderNotFoundError(ApplicationError):
    """There is no such order, or it is another customer's."""

    code = "order_not_found"


class PreconditionFailedError(ApplicationError):
    """The order is not at a version that the caller has in mind; `version` is the one that it is at."""

    code = "precondition_failed"


class ProductNotFoundError(ApplicationError):
    """There is no such product."""

    code = "product_not_found"


class StorageError(ApplicationError):
    """A transaction did not come to its end; the subclass tells what that means for the caller."""

    code = "storage_error"


class StorageUnavailableError(StorageError):
    """The database is away. Whether the transaction was committed is unknown."""

    code = "storage_unavailable"


class StorageStaleError(StorageUnavailableError):
    """Its connection was not what the database is now: nothing was stored, the same work may run again."""


class StorageNotReadyError(StorageUnavailableError):
    """A table or a right is missing: nothing was stored, and an operator must act before anything is."""


class StorageOverloadedError(StorageError):
    """No connection was free in time: nothing was begun."""

    code = "overloaded"


class StorageBusyError(StorageError):
    """A lock was not to be had, or a statement took too long: nothing was committed; later it may be."""

    code = "storage_busy"


class LockWaitError(StorageBusyError):
    """Another session holds something that the transaction needs, for longer than a lock is waited for."""


class IdempotencyKeyWaitError(LockWaitError):
    """Another session holds an idempotency key that the transaction needs, and does not end."""


class RowHeldError(StorageBusyError):
    """Another session holds `rows`, which the command names: nothing of it was committed, others went on."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = frozenset(rows)
        names = ", ".join(f"{kind} {name}" for kind, name in sorted(self.rows))
        super().__init__(f"Somebody else is working on {names}: nothing was stored. Try again in a moment.")


class ReferenceHeldError(StorageBusyError):
    """Another session is placing an order with the same reference: nothing of the command was stored."""

    def __init__(self) -> None:
        super().__init__("An order with this clientReference is being placed. Try again in a moment.")


class StorageConflictError(StorageError):
    """Serialisation failure or deadlock: nothing was committed, the same work may run again."""

    code = "storage_conflict"


class StorageRefusedError(StorageError):
    """The database refused the data (SQLSTATE class 22 or 23): nothing was committed."""

    code = "storage_refused"


class EventTooLargeError(StorageRefusedError):
    """An event is larger than the topic takes: nothing was committed."""

    code = "event_too_large"


class IntakeFullError(ApplicationError):
    """More commands are waiting than may be kept in memory: nothing was begun."""

    code = "overloaded"


class IdempotencyKeyInUseError(ApplicationError):
    """A request with the same key is still running: nothing was begun."""

    code = "idempotency_key_in_use"


class IdempotencyKeyReusedError(ApplicationError):
    """The key was used for another request: nothing was done."""

    code = "idempotency_key_reused"
