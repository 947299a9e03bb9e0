"""Which connections a listener holds: bounded in all and per address, the longest unused make room."""

import ipaddress
from collections import Counter
from typing import Protocol

import msgspec

from kits.observability.logs import get_logger
from kits.web.server.wire import TOO_MANY_CONNECTIONS, TOO_MANY_FROM_ADDRESS, Refusal

log = get_logger(__name__)

_SAY_AGAIN_SECONDS = 60.0
_IPV6_NETWORK_BITS = 64


class ConnectionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one listener allows; times in seconds."""

    connections: int = 1000
    per_address: int = 0
    """0: no limit. An IPv6 address counts as its /64 network."""
    receive_seconds: float = 10.0
    """How long a request may take to arrive, and a new connection to begin one; a slower one gets 408."""
    keep_alive_seconds: float = 75.0
    """How long a connection may be without a request: longer than that of a load balancer in front."""
    unread_seconds: float = 30.0
    """How long an answer may wait for a client that does not read it."""


class Connection(Protocol):
    """One connection, as far as it is counted."""

    address: str

    def give_up(self) -> None:
        """Close; nothing that was asked on it is unanswered."""
        ...


class OpenConnections:
    """The connections of one listener, by what they wait for.

    One from which a whole request is awaited (silent, idle or half-sent) owes us something, and may be closed
    for a new one: the longest waiting first. So strangers who only hold connections keep nobody out, and a
    long keep-alive costs nothing. One with a request under way is never closed.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._open: set[Connection] = set()
        self._per_address: Counter[str] = Counter()
        # Ordered by how long each has been waiting.
        self._awaited: dict[Connection, None] = {}
        self._told_at = float("-inf")

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def admit(self, new: Connection, now: float) -> Refusal | None:
        """Count it, closing another if there must be room; why not, if there is nothing to close."""
        limit = self._limits.per_address
        if limit and self._per_address[new.address] >= limit:
            self._tell(now, "MAX_CONNECTIONS_PER_ADDRESS", limit)
            if not self._make_room(new.address):
                return TOO_MANY_FROM_ADDRESS
        if len(self._open) >= self._limits.connections:
            self._tell(now, "MAX_CONNECTIONS", self._limits.connections)
            if not self._make_room():
                return TOO_MANY_CONNECTIONS
        self._open.add(new)
        self._per_address[new.address] += 1
        self._awaited[new] = None
        return None

    def awaited(self, connection: Connection) -> None:
        """A whole request is awaited from now on."""
        if connection in self._open:
            self._awaited.pop(connection, None)
            self._awaited[connection] = None

    def working(self, connection: Connection) -> None:
        """A request is complete and not answered yet."""
        self._awaited.pop(connection, None)

    def left(self, connection: Connection) -> None:
        """It is closed, or was never admitted."""
        if connection in self._open:
            self._open.remove(connection)
            self._awaited.pop(connection, None)
            self._per_address[connection.address] -= 1
            if not self._per_address[connection.address]:
                del self._per_address[connection.address]

    def _make_room(self, address: str | None = None) -> bool:
        for connection in self._awaited:
            if address is None or connection.address == address:
                self.left(connection)
                connection.give_up()
                return True
        return False

    def _tell(self, now: float, setting: str, limit: int) -> None:
        if now - self._told_at >= _SAY_AGAIN_SECONDS:
            self._told_at = now
            action = f"raise {setting} if these are customers, else see who holds them"
            log.warning("connection_limit_reached", setting=setting, limit=limit, action=action)


def counted_address(host: str) -> str:
    """By what a client is counted: its IPv4 address, or its IPv6 network, which one host has to itself."""
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host.partition("%")[0])
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, _IPV6_NETWORK_BITS), strict=False))
