"""Flow control of a connection whose reader keeps what it has not parsed yet."""

import asyncio
from typing import Protocol

from uvicorn.protocols.http.flow_control import FlowControl


class Reader(Protocol):
    """What reads on after a pause."""

    def read_on(self) -> None:
        """Reading is possible again; the transport is still paused."""
        ...


class ReadControl(FlowControl):
    """uvicorn's, except that a pause ends with what is kept, and its reader resumes the transport."""

    def __init__(self, transport: asyncio.Transport, reader: Reader) -> None:
        super().__init__(transport)
        self._reader = reader

    def resume_reading(self) -> None:
        """Let the reader go on, in a turn of its own."""
        if self.read_paused:
            self.read_paused = False
            asyncio.get_running_loop().call_soon(self._reader.read_on)
