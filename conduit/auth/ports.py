"""What the use cases of auth need of others, and an account as it stands."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from conduit.contracts.sealing import Secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user with the hash of the password, which no repr shows."""

    id: str
    username: str
    email: str
    password_hash: str = field(repr=False)
    bio: str | None
    image: str | None
    version: int
    """Of what others see: username, bio and image; a new email or password is nobody's business."""
    changed_at: datetime
    """When this version came to be, by the database's clock."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password is right; `rehashed` if its hash was made with former parameters."""

    is_right: bool
    rehashed: str | None = field(default=None, repr=False)


class AccountReader(Protocol):
    """Accounts, outside of any transaction."""

    async def with_id(self, user_id: str) -> Account | None:
        """Whoever has this id."""
        ...

    async def named(self, username: str) -> Account | None:
        """Whoever has this name now, letter for letter."""
        ...

    async def with_email(self, email: str) -> Account | None:
        """Whoever has this address, in any case of its letters."""
        ...

    async def rehash(self, account: Account, password_hash: str) -> None:
        """Another hash of the same password, unless the password was changed meanwhile."""
        ...


class Accounts(Protocol):
    """Accounts of one transaction.

    Raises:
        RpcError: 409 `username` or `email`; the transaction cannot go on.
    """

    async def add(self, user_id: str, username: str, email: str, password_hash: str) -> Account:
        """A new one, at version 1, without bio and image."""
        ...

    async def lock(self, user_id: str) -> Account | None:
        """Whoever has this id, the row locked."""
        ...

    async def lock_page(self, after: str, limit: int) -> Sequence[Account]:
        """Up to `limit` behind this id, in the order of their ids, their rows locked."""
        ...

    async def change(self, account: Account) -> Account:
        """A locked one, as it is from now on."""
        ...


class Outbox(Protocol):
    """The events of one transaction."""

    async def add(self, account: Account) -> None:
        """Tell this version."""
        ...

    async def repeat(self, accounts: Sequence[Account]) -> int:
        """Tell these versions once more; how many of them."""
        ...


class Work(Protocol):
    """One transaction."""

    @property
    def accounts(self) -> Accounts: ...

    @property
    def outbox(self) -> Outbox: ...


class PasswordHasher(Protocol):
    """Slow on purpose, and away from whoever answers requests."""

    async def hash(self, password: str) -> str:
        """What is stored of it. Raises: RpcError: 503, too many wait."""
        ...

    async def check(self, password: str, password_hash: str | None) -> Verdict:
        """Whether it is the one; None, which nobody's is, takes as long. Raises: as hash()."""
        ...


class Keyring(Protocol):
    """The keys of auth."""

    def open(self, sealed: str) -> Secrets:
        """What was sealed for auth. Raises: UnsealableError."""
        ...

    def issue(self, subject: str) -> str:
        """A token for the user of this id."""
        ...


class WorkOpener(Protocol):
    """Opens transactions."""

    def __call__(self) -> AbstractAsyncContextManager[Work]:
        """Leaving the block commits, an exception rolls everything back."""
        ...
