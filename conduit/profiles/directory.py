"""Asks auth for users that the copy does not know."""

from conduit.contracts.users import DESCRIBE_USERNAME, UserChanged, UserNamed
from kits.rpc.errors import RpcError
from kits.rpc.neighbour import Neighbour


class AuthDirectory:
    """ports.UserDirectory over Kafka, within what is left of the request's own time."""

    def __init__(self, auth: Neighbour) -> None:
        self._auth = auth

    async def named(self, username: str) -> UserChanged | None:
        """See UserDirectory. Raises: NeighbourAwayError, which names auth."""
        try:
            return await self._auth.ask(DESCRIBE_USERNAME, UserNamed(username=username), key=username)
        except RpcError as error:
            if error.status != 404:
                raise
            return None
