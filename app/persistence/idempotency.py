"""Persistence: idempotency keys, claimed in the transaction of what they name."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Text, bindparam, delete, func, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.types import Integer

from app.application.errors import IdempotencyKeyWaitError
from app.application.key_ports import KeyClaim, KeyOwner
from app.persistence.tables import idempotency_keys
from kits.postgres.driver import DriverConnection, DriverStatement, driver_fetch
from kits.postgres.errors import LockTimeoutError
from kits.postgres.schema import as_document, insert_from_document, rows_from_document

_GLANCE_SECONDS = 0.02
KEPT_HOURS = 24

_COLUMNS = ("customer_id", "route", "key", "request_hash", "order_id")
_CLAIM = DriverStatement(
    insert_from_document(idempotency_keys, *_COLUMNS)
    .on_conflict_do_nothing()
    .returning(idempotency_keys.c.order_id)
)
_row = idempotency_keys.c
_asked = rows_from_document(
    "asked", customer_id=Text(), route=Text(), key=Text(), order_id=_row.order_id.type
)
_is_asked = (
    (_row.customer_id == _asked.c.customer_id) & (_row.route == _asked.c.route) & (_row.key == _asked.c.key)
)
_OWNERS = DriverStatement(
    select(_asked.c.order_id, _row.order_id, _row.request_hash, _row.order_version).join_from(
        _asked, idempotency_keys, _is_asked
    )
)
_NOTE_VERSION = DriverStatement(
    update(idempotency_keys).where(_is_asked).values(order_version=bindparam("version", type_=Integer))
)
_RELEASE = DriverStatement(delete(idempotency_keys).where(_is_asked, _row.order_id == _asked.c.order_id))
_old = (
    select(_row.customer_id, _row.route, _row.key)
    .where(_row.created_at < func.now() - func.make_interval(0, 0, 0, 0, KEPT_HOURS))
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(skip_locked=True)
    .cte("old")
)
_FORGET = DriverStatement(
    delete(idempotency_keys)
    .where(_row.customer_id == _old.c.customer_id, _row.route == _old.c.route, _row.key == _old.c.key)
    .returning(literal_column("1"))
)


class SqlIdempotencyRepository:
    """Keys of one transaction; the first lock that it takes."""

    def __init__(self, connection: DriverConnection) -> None:
        self._connection = connection

    async def claim(self, claims: Sequence[KeyClaim]) -> Mapping[str, KeyOwner]:
        """Claim keys, in sorted order; the owners of those that were taken, by the claim's order id.

        A key that an unfinished transaction holds is waited for, at most for the lock timeout.

        Raises:
            IdempotencyKeyWaitError: it did not end in time; the transaction is spoiled.
        """
        ordered = sorted(claims, key=_name_of)
        try:
            claimed = await self._connection.fetch(_CLAIM, as_document(ordered))
        except LockTimeoutError as error:
            raise IdempotencyKeyWaitError("Another process holds an idempotency key.") from error
        if len(claimed) == len(ordered):
            return {}
        mine = {str(order_id) for (order_id,) in claimed}
        taken = [claim for claim in ordered if claim.order_id not in mine]
        found = await self._connection.fetch(_OWNERS, as_document(taken))
        return {str(asked): KeyOwner(str(owner), *rest) for asked, owner, *rest in found}

    async def claim_free(self, claims: Sequence[KeyClaim]) -> Mapping[str, KeyOwner | None]:
        """As `claim`, key by key: what another transaction has inserted can't be seen, only be run into.

        The owner of a key that is held is None.
        """
        owners: dict[str, KeyOwner | None] = {}
        # A migration that has locked the table holds nobody's key: it is waited for as for any other lock.
        await self.claim([])
        await self._connection.bound_locks(_GLANCE_SECONDS)
        for claim in sorted(claims, key=_name_of):
            try:
                async with self._connection.savepoint():
                    owners |= await self.claim([claim])
            except IdempotencyKeyWaitError:
                owners[claim.order_id] = None
        await self._connection.bound_locks(None)
        return owners

    async def note_version(self, claim: KeyClaim, version: int) -> None:
        """Store with a key that this transaction has claimed at which version its order was left."""
        await self._connection.write(_NOTE_VERSION, {**as_document([claim]), "version": version})

    async def release(self, claims: Sequence[KeyClaim]) -> None:
        """Delete keys that this transaction has claimed."""
        await self._connection.write(_RELEASE, as_document(claims))


class SqlIdempotencyKeys:
    """The keys between transactions."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def forget_old(self, *, limit: int) -> int:
        """Delete up to `limit` keys that are older than 24 hours; returns how many."""
        return len(await driver_fetch(self._engine, _FORGET, {"limit": limit}))


def _name_of(claim: KeyClaim) -> tuple[str, str, str]:
    return claim.customer_id, claim.route, claim.key
