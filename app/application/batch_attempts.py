"""Use cases: what to do when the transaction of a batch fails; no command is lost or done twice."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from app.application.commands import CreateOrder, ReplayedOrder
from app.application.errors import (
    ApplicationError,
    LockWaitError,
    StorageBusyError,
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


async def attempt_batch(
    commands: Sequence[CreateOrder], attempt: Attempt, around_held: Attempt | None = None
) -> list[Outcome]:
    """Run `attempt(commands, resumed)` until its outcome is certain.

    A conflict runs the batch again, with jitter, at most 3 times. A lock that another session holds runs
    `around_held` instead, which must pass over the rows that are held and refuse the commands that name them.
    A lost connection or an unknown COMMIT runs it once more, on a new connection, with `resumed` = True: the
    attempt must look which of its orders exist. Data that the database refuses runs the commands one by one:
    the one fails alone.

    Raises:
        StorageUnavailableError: the database is not back; what was committed is unknown.
        StorageNotReadyError, StorageOverloadedError: nothing was committed.
        StorageBusyError, StorageConflictError: still so in the last try; nothing was committed.
    """
    chosen = attempt
    lost: StorageUnavailableError | None = None
    conflicts = 0
    while True:
        try:
            outcomes = await chosen(commands, lost is not None)
        except StorageUnavailableError as away:
            if lost is not None or isinstance(away, StorageNotReadyError):
                raise lost or away from None
            log.warning("batch_resumed", orders=len(commands), action="none if it stays at one; see /readyz")
            lost = away
        except StorageRefusedError as refused:
            log.warning("batch_refused", orders=len(commands), reason=str(refused), action="report a bug")
            return await _one_by_one(commands, attempt, around_held, refused)
        except (StorageBusyError, StorageConflictError, StorageOverloadedError) as error:
            if isinstance(error, LockWaitError) and around_held and chosen is not around_held:
                chosen = around_held
            elif isinstance(error, StorageConflictError) and conflicts < _CONFLICTS:
                conflicts += 1
                await asyncio.sleep(_BACKOFF.wait_seconds(conflicts))
            else:
                # What the lost attempt has committed stays unknown, however the next one fails.
                raise lost or error from None
        else:
            # Its own transaction, which has not ended yet, may be what holds the row or the reference.
            return [lost if lost and isinstance(one, StorageBusyError) else one for one in outcomes]


async def _one_by_one(
    commands: Sequence[CreateOrder],
    attempt: Attempt,
    around_held: Attempt | None,
    alone: ApplicationError,
) -> list[Outcome]:
    if len(commands) == 1:
        return [alone]
    outcomes: list[Outcome] = []
    for command in commands:
        # What was committed before stays so: from here on each has an outcome of its own.
        try:
            outcomes += await attempt_batch([command], attempt, around_held)
        except StorageUnavailableError as away:
            return outcomes + [away] * (len(commands) - len(outcomes))
        except (StorageBusyError, StorageConflictError, StorageOverloadedError) as error:
            outcomes.append(error)
    return outcomes
