"""Use cases: one Idempotency-Key, one effect (IETF draft-ietf-httpapi-idempotency-key-header)."""

from collections.abc import Sequence

from app.application.batch_attempts import Outcome
from app.application.commands import ChangeOrder, CreateOrder, ReplayedOrder
from app.application.errors import IdempotencyKeyInUseError, IdempotencyKeyReusedError, StorageBusyError
from app.application.key_ports import KeyClaim
from app.application.order_moves import Step
from app.application.ports import UnitOfWork
from app.domain.errors import OrderError
from app.domain.order import OrderStatus

PLACING = "POST /orders"
_CHANGING = {
    OrderStatus.PAID: "POST /orders/{id}/payment",
    OrderStatus.CANCELLED: "POST /orders/{id}/cancellation",
    OrderStatus.FULFILLED: "POST /orders/{id}/fulfilment",
}
# Of keys that were claimed before versions were noted: every step had the same number in all orders then.
_VERSIONS_OF_OLD = {OrderStatus.PAID: 2, OrderStatus.CANCELLED: 2, OrderStatus.FULFILLED: 3}
_REUSED = "This key was used for another request."
_IN_USE = "A request with this key is still running."


async def answered_by_key(
    commands: Sequence[CreateOrder], uow: UnitOfWork, *, careful: bool
) -> dict[str, Outcome]:
    """Claim the keys; outcomes, by order id, of the commands that an earlier request has answered already.

    The same key and body: that request's order. Another body: refused. What is not answered may be placed.
    `careful` does not wait for a key that another transaction holds: that command is not for now.
    """
    claims = _claims(commands)
    if not claims:
        return {}
    owners = await (uow.idempotency.claim_free if careful else uow.idempotency.claim)(claims)
    taken = {owner.order_id for owner in owners.values() if owner}
    orders = await uow.orders.find(taken) if taken else {}
    answered: dict[str, Outcome] = {}
    for claim in claims:
        if claim.order_id not in owners:
            continue
        owner = owners[claim.order_id]
        if owner is None:
            answered[claim.order_id] = IdempotencyKeyInUseError(_IN_USE)
        elif owner.request_hash != claim.request_hash:
            answered[claim.order_id] = IdempotencyKeyReusedError(_REUSED)
        elif owner.order_id in orders:
            answered[claim.order_id] = ReplayedOrder(orders[owner.order_id])
        else:
            answered[claim.order_id] = IdempotencyKeyInUseError(_IN_USE)
    return answered


async def release_refused(
    commands: Sequence[CreateOrder], outcomes: Sequence[Outcome], uow: UnitOfWork
) -> None:
    """Give back the keys of commands without an order: a failure is never stored as an answer."""
    answers = zip(commands, outcomes, strict=True)
    without = OrderError | StorageBusyError
    refused = _claims([command for command, outcome in answers if isinstance(outcome, without)])
    if refused:
        await uow.idempotency.release(refused)


def change_claim(command: ChangeOrder, status: OrderStatus) -> KeyClaim | None:
    """What the command's key would name: this step of this order, asked for by this caller."""
    if command.idempotency is None:
        return None
    key = command.idempotency
    return KeyClaim(command.caller_id, _CHANGING[status], key.key, key.request_hash, command.order_id)


async def answered_change(claim: KeyClaim, status: OrderStatus, uow: UnitOfWork) -> ReplayedOrder | None:
    """Claim the key; if an earlier request has taken this step, the order as it was right after it.

    Raises:
        IdempotencyKeyReusedError: the key names another request.
        IdempotencyKeyWaitError: another transaction holds the key and does not end.
    """
    owner = (await uow.idempotency.claim([claim])).get(claim.order_id)
    if owner is None:
        return None
    if owner.request_hash != claim.request_hash:
        raise IdempotencyKeyReusedError(_REUSED)
    order = (await uow.orders.find([owner.order_id]))[owner.order_id]
    return ReplayedOrder(order.as_it_was(status, owner.order_version or _VERSIONS_OF_OLD[status]))


async def close_claim(claim: KeyClaim, step: Step, uow: UnitOfWork) -> None:
    """Store with the key what its request has done; a refusal gives it back: the next try is no replay."""
    if step.refusal is not None:
        await uow.idempotency.release([claim])
    else:
        await uow.idempotency.note_version(claim, step.order.version)


def _claims(commands: Sequence[CreateOrder]) -> list[KeyClaim]:
    return [
        KeyClaim(
            command.customer_id,
            PLACING,
            command.idempotency.key,
            command.idempotency.request_hash,
            command.order_id,
        )
        for command in commands
        if command.idempotency
    ]
