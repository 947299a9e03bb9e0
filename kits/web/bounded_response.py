"""Adapter: an answer of aiohttp's client, bounded in its interim answers (1xx) and in its bytes."""

from typing import Any

import aiohttp
from aiohttp.connector import Connection

INTERIM_ANSWERS = 16


async def read_bounded(content: aiohttp.StreamReader, max_bytes: int) -> bytes:
    """At most so many bytes. A longer answer is cut, and then it cannot be read as what it is."""
    parts: list[bytes] = []
    size = 0
    async for part in content.iter_any():
        parts.append(part)
        size += len(part)
        if size > max_bytes:
            break
    return b"".join(parts)[:max_bytes]


class BoundedResponse(aiohttp.ClientResponse):
    """aiohttp passes over any number of interim answers (RFC 9110, 15.2), which stalls its loop."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Read up to the head of the final answer.

        Raises:
            aiohttp.ClientPayloadError: more than 16 interim answers came before it.
        """
        watched: Any = _Watched(connection)
        await super().start(watched)
        if self._connection is watched:
            self._connection, self._protocol = connection, connection.protocol
        return self


class _Watched:
    """The connection, with a protocol that counts."""

    def __init__(self, connection: Connection) -> None:
        self._watched = connection
        self.protocol = _Counting(connection.protocol)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._watched, name)


class _Counting:
    def __init__(self, protocol: Any) -> None:
        self._watched = protocol
        self._left = INTERIM_ANSWERS

    async def read(self) -> Any:
        """The next answer, interim or final."""
        message, payload = await self._watched.read()
        self._left -= 100 <= message.code < 200
        if self._left < 0:
            raise aiohttp.ClientPayloadError(f"more than {INTERIM_ANSWERS} interim answers")
        return message, payload

    def __getattr__(self, name: str) -> Any:
        return getattr(self._watched, name)
