"""Use cases: what to do when the transaction of a batch fails; no command is lost or done twice."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from app.application.commands import CreateOrder, ReplayedOrder
from app.application.errors import (
    ApplicationError,
    IdempotencyKeyInUseError,
    IdempotencyKeyWaitError,
    StorageConflictError,
    StorageNotReadyError,
    StorageOverloadedError,
    StorageRefusedError,
    StorageUnavailableError,
)
from app.domain.errors import OrderError
from app.domain.order import Order
from kits.observability.logs import get_logger
from kits.resilience.retry import Backoff

log = get_logger(__name__)

Outcome = Order | ReplayedOrder | OrderError | ApplicationError
Attempt = Callable[[Sequence[CreateOrder], bool], Awaitable[list[Outcome]]]
_CONFLICTS = 3
_BACKOFF = Backoff(base_seconds=0.02, cap_seconds=0.2)


async def attempt_batch(commands: Sequence[CreateOrder], attempt: Attempt) -> list[Outcome]:
    """Run `attempt(commands, resumed)` until its outcome is certain.

    A conflict runs the batch again, with jitter, at most 3 times. A lost connection or an unknown COMMIT runs
    it once more, on a new connection, with `resumed` = True: the attempt must first look which of its orders
    exist. Data that the database refuses, or a key that another process holds, runs the commands one by one:
    the one fails alone.

    Raises:
        StorageUnavailableError: the database is not back; what was committed is unknown.
        StorageNotReadyError, StorageOverloadedError: nothing was committed.
        StorageConflictError: still in conflict after the last try; nothing was committed.
    """
    lost: StorageUnavailableError | None = None
    conflicts = 0
    while True:
        try:
            return await attempt(commands, lost is not None)
        except StorageConflictError as conflict:
            conflicts += 1
            if conflicts > _CONFLICTS:
                # What the lost attempt has committed stays unknown, however the next one fails.
                raise lost or conflict from None
            await asyncio.sleep(_BACKOFF.wait_seconds(conflicts))
        except StorageOverloadedError as overloaded:
            raise lost or overloaded from None
        except StorageUnavailableError as away:
            if lost is not None or isinstance(away, StorageNotReadyError):
                raise lost or away from None
            log.warning("batch_resumed", orders=len(commands), action="none if it stays at one; see /readyz")
            lost = away
        except StorageRefusedError as refused:
            log.warning("batch_refused", orders=len(commands), reason=str(refused), action="report a bug")
            return await _one_by_one(commands, attempt, refused)
        except IdempotencyKeyWaitError:
            in_use = IdempotencyKeyInUseError("A request with this key is still running; try again soon.")
            return await _one_by_one(commands, attempt, in_use)


async def _one_by_one(
    commands: Sequence[CreateOrder], attempt: Attempt, alone: ApplicationError
) -> list[Outcome]:
    if len(commands) == 1:
        return [alone]
    outcomes: list[Outcome] = []
    for command in commands:
        outcomes += await attempt_batch([command], attempt)
    return outcomes
