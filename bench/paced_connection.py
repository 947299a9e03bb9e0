"""The open loop's connections: each carries one request at a time and tells how it ended."""

import asyncio
import re
from collections.abc import Callable
from typing import cast

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
BROKEN = 0


class PacedConnection(asyncio.Protocol):
    """One kept-alive HTTP/1.1 connection. `on_answer` hears each answer's status, 0 when there was none."""

    def __init__(self, on_answer: Callable[["PacedConnection", int], None]) -> None:
        self._on_answer = on_answer
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self.scheduled_at = 0.0
        """When the request under way was due, on the loop's clock."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send(self, request: bytes, scheduled_at: float) -> None:
        """Send one request; the one before must be answered."""
        self.scheduled_at = scheduled_at
        if self._transport is None or self._transport.is_closing():
            self._on_answer(self, BROKEN)
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        length = _LENGTH.search(self._received, 0, end) if end >= 0 else None
        if length and len(self._received) >= end + 4 + int(length.group(1)):
            status = int(self._received[9:12])
            self._received = b""
            self._on_answer(self, status)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the loop's signature
        if self.scheduled_at:
            self._on_answer(self, BROKEN)

    def close(self) -> None:
        """Hang up."""
        self.scheduled_at = 0.0
        if self._transport is not None:
            self._transport.close()
