"""Ports: idempotency keys, as the use cases see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class KeyClaim:
    """A caller's idempotency key, unique to a route, and what it is to name: a request and its order."""

    customer_id: str
    route: str
    key: str
    request_hash: bytes
    order_id: str


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """The order that an idempotency key belongs to, and the hash of the request that it names.

    `order_version` is the version at which the request has left the order; None if nobody noted it.
    """

    order_id: str
    request_hash: bytes
    order_version: int | None = None


class IdempotencyRepository(Protocol):
    """The idempotency keys, in the transaction of what they name; locked before anything else."""

    async def claim(self, claims: Sequence[KeyClaim]) -> Mapping[str, KeyOwner]:
        """Claim keys, each for an order of its own; the owners of those that are taken, by that order's id.

        Raises:
            IdempotencyKeyWaitError: another transaction holds a key and does not end.
        """
        ...

    async def claim_free(self, claims: Sequence[KeyClaim]) -> Mapping[str, KeyOwner | None]:
        """As `claim`, but a key that an unfinished transaction holds is passed over: its owner is None."""
        ...

    async def note_version(self, claim: KeyClaim, version: int) -> None:
        """Store with a key claimed in this transaction at which version its request has left the order."""
        ...

    async def release(self, claims: Sequence[KeyClaim]) -> None:
        """Give back keys claimed in this transaction, so that the customer may try again."""
        ...
