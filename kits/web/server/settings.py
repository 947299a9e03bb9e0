"""The settings of a process's own port: where it listens, and how long it waits for whom."""

from typing import Annotated

import msgspec

from kits.web.server.connections import ConnectionLimits
from kits.web.server.serving import Shutdown

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where a process listens; a group with a port of its own."""

    host: str = "127.0.0.1"
    port: Port
    shutdown_delay_seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 5.0
    """How long an unready process serves on after SIGTERM, for balancers to notice."""
    drain_seconds: Seconds = 12.0
    """How long requests in flight may take after that."""
    keep_alive_seconds: Seconds = 75.0
    """How long a connection may be idle: longer than a balancer keeps it, or it sends into a closed one."""
    receive_seconds: Seconds = 10.0
    """How long a request may take to arrive."""

    @property
    def shutdown(self) -> Shutdown:
        """How the port is closed."""
        return Shutdown(delay_seconds=self.shutdown_delay_seconds, drain_seconds=self.drain_seconds)

    def limits(self, *, connections: int, per_address: int = 0) -> ConnectionLimits:
        """What the port allows; `per_address` 0: no limit."""
        return ConnectionLimits(
            connections=connections,
            per_address=per_address,
            receive_seconds=self.receive_seconds,
            keep_alive_seconds=self.keep_alive_seconds,
        )
