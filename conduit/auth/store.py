"""Store of auth: the table of accounts."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    Table,
    Text,
    bindparam,
    case,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from conduit.auth.ports import Account
from conduit.contracts.refusals import taken
from kits.postgres.driver import DriverConnection, DriverStatement, driver_fetch
from kits.postgres.errors import constraint
from kits.postgres.request_ledger import request_ledger_table
from kits.postgres.schema import metadata
from kits.postgres.write_probe import WriteProbe

MIGRATE_COMMAND = "python -m conduit auth migrate"
auth_tables = metadata()
requests = request_ledger_table(auth_tables)

account = Table(
    "account",
    auth_tables,
    # The order of bytes, whatever the database's language is: pages go by it.
    Column("id", Text(collation="C"), primary_key=True),
    Column("username", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("bio", Text),
    Column("image", Text),
    Column("version", Integer, CheckConstraint("version >= 1", "version"), nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Index("uq_account_username", "username", unique=True),
    Index("uq_account_email", func.lower(literal_column("email")), unique=True),
)
_TAKEN = {"uq_account_username": "username", "uq_account_email": "email"}

_user_id = bindparam("id", type_=Text)
_WITH_ID = DriverStatement(select(account).where(account.c.id == _user_id))
_NAMED = DriverStatement(select(account).where(account.c.username == bindparam("username", type_=Text)))
_WITH_EMAIL = DriverStatement(
    select(account).where(func.lower(account.c.email) == func.lower(bindparam("email", type_=Text)))
)
_REHASH = DriverStatement(
    update(account)
    .where(account.c.id == _user_id, account.c.password_hash == bindparam("former", type_=Text))
    .values(password_hash=bindparam("password_hash", type_=Text))
)
_LOCK = DriverStatement(select(account).where(account.c.id == _user_id).with_for_update())
_LOCK_PAGE = DriverStatement(
    select(account)
    .where(account.c.id > bindparam("after", type_=Text))
    .order_by(account.c.id)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update()
)
_ADD = DriverStatement(
    insert(account)
    .values(
        id=_user_id,
        version=literal_column("1"),
        changed_at=func.clock_timestamp(),
        **{name: bindparam(name, type_=Text) for name in ("username", "email", "password_hash")},
    )
    .returning(*account.c)
)
_version = bindparam("version", type_=Integer)
_CHANGE = DriverStatement(
    update(account)
    .where(account.c.id == _user_id)
    .values(
        version=_version,
        changed_at=case((account.c.version != _version, func.clock_timestamp()), else_=account.c.changed_at),
        **{
            name: bindparam(name, type_=Text)
            for name in ("username", "email", "password_hash", "bio", "image")
        },
    )
    .returning(*account.c)
)


class SqlAccountReader:
    """ports.AccountReader: one statement each."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def with_id(self, user_id: str) -> Account | None:
        """See AccountReader."""
        return _only(await driver_fetch(self._engine, _WITH_ID, {"id": user_id}))

    async def named(self, username: str) -> Account | None:
        """See AccountReader."""
        return _only(await driver_fetch(self._engine, _NAMED, {"username": username}))

    async def with_email(self, email: str) -> Account | None:
        """See AccountReader."""
        return _only(await driver_fetch(self._engine, _WITH_EMAIL, {"email": email}))

    async def rehash(self, account: Account, password_hash: str) -> None:
        """See AccountReader."""
        values = {"id": account.id, "former": account.password_hash, "password_hash": password_hash}
        await driver_fetch(self._engine, _REHASH, values)


class SqlAccounts:
    """ports.Accounts in the transaction of this connection."""

    def __init__(self, connection: DriverConnection) -> None:
        self._connection = connection

    async def add(self, user_id: str, username: str, email: str, password_hash: str) -> Account:
        """See Accounts."""
        values = {"id": user_id, "username": username, "email": email, "password_hash": password_hash}
        with _taken_told():
            (row,) = await self._connection.fetch(_ADD, values)
        return _account_of(row)

    async def lock(self, user_id: str) -> Account | None:
        """See Accounts."""
        return _only(await self._connection.fetch(_LOCK, {"id": user_id}))

    async def lock_page(self, after: str, limit: int) -> Sequence[Account]:
        """See Accounts."""
        rows = await self._connection.fetch(_LOCK_PAGE, {"after": after, "limit": limit})
        return [_account_of(row) for row in rows]

    async def change(self, account: Account) -> Account:
        """See Accounts."""
        with _taken_told():
            (row,) = await self._connection.fetch(_CHANGE, asdict(account))
        return _account_of(row)


def auth_write_probe(events: Table) -> WriteProbe:
    """What the process must be able to write, for its readiness."""
    # Nobody can have this id or name: they begin with a control character.
    probe = (
        insert(account)
        .values(
            id="\x01/readyz", username="\x01", email="\x01", password_hash="",
            version=1, changed_at=func.clock_timestamp(),
        )
        .on_conflict_do_nothing()
    )  # fmt: skip
    everything = ("SELECT", "INSERT", "UPDATE", "DELETE")
    return WriteProbe(
        {account: ("SELECT", "INSERT", "UPDATE"), events: everything, requests: everything}, probe
    )


@contextmanager
def _taken_told() -> Iterator[None]:
    """Raises RpcError for a name or an address that somebody has."""
    try:
        yield
    except Exception as error:
        if field := _TAKEN.get(constraint(error)):
            raise taken(field) from None
        raise


def _only(rows: Sequence[Any]) -> Account | None:
    return _account_of(rows[0]) if rows else None


def _account_of(row: Mapping[Any, Any]) -> Account:
    return Account(**row)
