"""Use cases: one Idempotency-Key creates one order (IETF draft-ietf-httpapi-idempotency-key-header)."""

from collections.abc import Sequence

from app.application.batch_attempts import Outcome
from app.application.commands import CreateOrder, ReplayedOrder
from app.application.errors import IdempotencyKeyInUseError, IdempotencyKeyReusedError
from app.application.ports import UnitOfWork
from app.domain.errors import OrderError


async def answered_by_key(commands: Sequence[CreateOrder], uow: UnitOfWork) -> dict[str, Outcome]:
    """Claim the keys; outcomes, by order id, of the commands that an earlier request has answered already.

    The same key and body: that request's order. Another body: refused. What is not answered may be placed.
    """
    keyed = [command for command in commands if command.idempotency]
    if not keyed:
        return {}
    owners = await uow.idempotency.claim(keyed)
    orders = await uow.orders.find({owner.order_id for owner in owners.values()}) if owners else {}
    answered: dict[str, Outcome] = {}
    for command in keyed:
        owner = owners.get(command.order_id)
        if owner is None:
            continue
        if command.idempotency and owner.request_hash != command.idempotency.request_hash:
            answered[command.order_id] = IdempotencyKeyReusedError("This key was used for another request.")
        elif owner.order_id in orders:
            answered[command.order_id] = ReplayedOrder(orders[owner.order_id])
        else:
            answered[command.order_id] = IdempotencyKeyInUseError("A request with this key is still running.")
    return answered


async def release_refused(
    commands: Sequence[CreateOrder], outcomes: Sequence[Outcome], uow: UnitOfWork
) -> None:
    """Give back the keys of refused commands: a failure is never stored as an answer."""
    refused = [
        command
        for command, outcome in zip(commands, outcomes, strict=True)
        if command.idempotency and isinstance(outcome, OrderError)
    ]
    if refused:
        await uow.idempotency.release(refused)
