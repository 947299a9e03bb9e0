"""Takes new connections a few at a time, so that those that are open are not kept waiting by a crowd."""

import asyncio
import errno
import socket
from typing import Protocol

from kits.observability.logs import get_logger

log = get_logger(__name__)

_AT_ONCE = 8
_FULL_SECONDS = 0.01
_EXHAUSTED_SECONDS = 1.0
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class ConnectionMaker(Protocol):
    """What makes the protocol of a new connection."""

    @property
    def is_full(self) -> bool:
        """Whether a new connection takes the place of another one."""
        ...

    def new_connection(self) -> asyncio.Protocol:
        """The protocol of a connection that was accepted."""
        ...


class Acceptor:
    """Accepts on a listening socket: at most 8 in a turn of the loop; if all places are taken, one in 10 ms.

    The rest waits in the system's queue. (The loop's own servers accept all that wait in one turn: a crowd
    that connects again and again then holds up every request.)
    """

    def __init__(self, listener: socket.socket, maker: ConnectionMaker) -> None:
        self._listener = listener
        self._maker = maker
        self._loop = asyncio.get_running_loop()
        self._starting: set[asyncio.Task[object]] = set()
        self._again: asyncio.TimerHandle | None = None
        self._open = True
        self._watch()

    def close(self) -> None:
        """Accept nothing more; the socket is its owner's."""
        self._open = False
        if self._again is not None:
            self._again.cancel()
        self._loop.remove_reader(self._listener.fileno())

    def _watch(self) -> None:
        self._again = None
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                action = "raise the limit of open files, or lower MAX_CONNECTIONS"
                log.warning("connections_not_accepted", reason=error.strerror, action=action)
                self._rest(_EXHAUSTED_SECONDS)
                return
            self._start(accepted)
            if self._maker.is_full:
                self._rest(_FULL_SECONDS)
                return

    def _start(self, accepted: socket.socket) -> None:
        accepted.settimeout(0.0)
        made = self._loop.connect_accepted_socket(self._maker.new_connection, accepted)
        starting: asyncio.Task[object] = self._loop.create_task(made)
        self._starting.add(starting)
        starting.add_done_callback(self._started)

    def _started(self, starting: "asyncio.Task[object]") -> None:
        self._starting.discard(starting)
        if not starting.cancelled() and (error := starting.exception()) is not None:
            log.debug("connection_not_started", error=type(error).__name__)

    def _rest(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener.fileno())
        if self._open:
            self._again = self._loop.call_later(seconds, self._watch)
