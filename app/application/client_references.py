"""Use cases: a customer's own name for an order belongs to one order."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.application.commands import CreateOrder, Reference
from app.application.ports import UnitOfWork


@dataclass(slots=True)
class References:
    """`used` are those of orders, with their ids; `held` those that another transaction is working on."""

    used: dict[Reference, str] = field(default_factory=dict)
    held: set[Reference] = field(default_factory=set)


async def references_of(commands: Sequence[CreateOrder], uow: UnitOfWork, *, careful: bool) -> References:
    """What has become of the references of these commands; until the end nobody else gives one of them away.

    `careful` does not wait for a reference that another transaction holds. Commands without cost nothing.
    """
    asked = {command.reference for command in commands if command.reference}
    if not asked:
        return References()
    held: set[Reference] = set()
    if careful:
        held = await uow.orders.lock_free_references(asked)
    else:
        await uow.orders.lock_references(asked)
    # Asked under the locks: whoever had one before has ended.
    return References(dict(await uow.orders.find_references(asked - held)), held)
