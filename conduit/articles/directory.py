"""Asks auth for users that the copy does not know."""

from typing import TypeVar

from conduit.contracts.users import (
    DESCRIBE_USER,
    DESCRIBE_USERNAME,
    UserChanged,
    UserNamed,
    UserWithId,
)
from kits.rpc.errors import RpcError
from kits.rpc.neighbour import Neighbour
from kits.rpc.patterns import Pattern

Q = TypeVar("Q")


class AuthDirectory:
    """ports.UserDirectory over Kafka, within what is left of the request's own time."""

    def __init__(self, auth: Neighbour) -> None:
        self._auth = auth

    async def user(self, user_id: str) -> UserChanged | None:
        """See UserDirectory. Raises: NeighbourAwayError, which names auth."""
        return await self._found(DESCRIBE_USER, UserWithId(id=user_id), key=user_id)

    async def named(self, username: str) -> UserChanged | None:
        """See UserDirectory. Raises: NeighbourAwayError, which names auth."""
        return await self._found(DESCRIBE_USERNAME, UserNamed(username=username), key=username)

    async def _found(self, pattern: Pattern[Q, UserChanged], who: Q, *, key: str) -> UserChanged | None:
        try:
            return await self._auth.ask(pattern, who, key=key)
        except RpcError as error:
            if error.status != 404:
                raise
            return None
