"""What the use cases of profiles need of others."""

from collections.abc import Sequence
from typing import Protocol

from conduit.contracts.users import UserChanged


class PersonReader(Protocol):
    """Reads the copy of the users, and who follows whom."""

    async def named(self, username: str) -> UserChanged | None:
        """Whoever has this name by the copy; of several the one that changed last."""
        ...

    async def follows(self, follower: str, followed: str) -> bool:
        """Whether the one follows the other."""
        ...

    async def followed(self, follower: str, limit: int) -> Sequence[str]:
        """Whom somebody follows: ids, in their order."""
        ...

    async def followed_among(self, follower: str, users: Sequence[str]) -> Sequence[str]:
        """Which of these somebody follows."""
        ...


class PersonStore(Protocol):
    """Changes the copy."""

    async def keep(self, person: UserChanged) -> None:
        """Store this version, unless a higher one is there."""
        ...


class Follows(Protocol):
    """Who follows whom, in one transaction."""

    async def add(self, follower: str, followed: str, limit: int) -> bool:
        """Follow; False, and nothing is done, if somebody follows `limit` others already."""
        ...

    async def remove(self, follower: str, followed: str) -> None:
        """Follow no more."""
        ...


class UserDirectory(Protocol):
    """Auth, for whom the copy does not know (yet)."""

    async def named(self, username: str) -> UserChanged | None:
        """Whoever has this name now.

        Raises:
            RpcError: it cannot be found out now.
        """
        ...
