"""One HTTP/1.1 connection: uvicorn's protocol on httptools, bounded in bytes, time and memory."""

import asyncio
from typing import Any

import httptools
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from kits.observability.logs import get_logger
from kits.web.problems.details import Problems
from kits.web.server import wire
from kits.web.server.arrival import RequestArrival
from kits.web.server.connections import ConnectionLimits, OpenConnections, counted_address
from kits.web.server.read_control import ReadControl

log = get_logger(__name__)

LINGER_SECONDS = 1.0
_LINGER_BYTES = 1024 * 1024
_LINGERING = 64
_PIECE_BYTES = 1024
_TURN_BYTES = 16 * 1024


class ListenerState(ServerState):
    """What the connections of one listener share."""

    def __init__(self, limits: ConnectionLimits, problems: Problems = wire.PROBLEMS) -> None:
        super().__init__()
        self.problems = problems
        self.admitted = OpenConnections(limits)
        self.lingering = 0
        self.closing = False
        """Each answer is its connection's last one."""


class StrictProtocol(HttpToolsProtocol):
    """Answers every refusal with a problem, and lingers before it closes.

    What has come is parsed in small pieces, and only while nothing waits behind the request that is worked
    on: however much is pipelined, no more than one piece of it becomes requests, and the rest stays bytes.
    Trailers are dropped (RFC 9110, 6.5.1): they never count as head, wherever the segments end.

    Without lingering, bytes that are still under way make the kernel reset the connection, and the client
    never sees why it was refused.
    """

    server_state: ListenerState

    def __init__(
        self,
        config: Config,
        server_state: ListenerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.address = ""
        self._admitted = server_state.admitted
        self._arrival = RequestArrival(self.loop.time())
        self._unread = b""
        self._unsent_since: float | None = None
        self._running: RequestResponseCycle | None = None
        self._refused = False
        self._refusal = wire.BROKEN_HTTP
        self._discarded = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = ReadControl(transport, self)
        self.address = counted_address(self.client[0]) if self.client else ""
        if refusal := self._admitted.admit(self, self.loop.time()):
            self._refuse(refusal)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            self._discard(len(data))
        else:
            self._unread = self._unread + data if self._unread else data
            self._parse()

    def read_on(self) -> None:
        """Parse what is kept; read more when nothing is left and nothing waits."""
        if self.pipeline and not self._refused:
            self.flow.read_paused = True
        elif self._is_reading():
            self._parse()
            if self._is_reading():
                self.transport.resume_reading()

    def _parse(self) -> None:
        data, at = self._unread, 0
        while at < min(len(data), _TURN_BYTES) and self._is_reading() and not self._refused:
            self._feed(data[at : at + _PIECE_BYTES])
            at += _PIECE_BYTES
        self._unread = b"" if self._refused else data[at:]
        if self._unread and not self.flow.read_paused:
            # Others have their turn.
            self.flow.pause_reading()
            self.flow.resume_reading()

    def _is_reading(self) -> bool:
        return not (self.flow.read_paused or self.transport.is_closing())

    def _feed(self, piece: bytes) -> None:
        self._unset_keepalive_if_required()
        self._arrival.bytes_came(len(piece), self.loop.time())
        try:
            self.parser.feed_data(piece)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse(self._refusal)
        else:
            if refusal := self._arrival.refusal:
                self._refuse(refusal)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._arrival.message_began(self.loop.time())
        if self._running is None or self._running.response_complete:
            self._admitted.awaited(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._arrival.in_head:
            super().on_header(name, value)
        else:
            self._arrival.trailer_came(name, value)

    def on_headers_complete(self) -> None:
        refusal = wire.check_head(
            version=self.parser.get_http_version(),
            url=self.url,
            headers=self.headers,
            upgrade=self.parser.should_upgrade(),
        )
        if refusal:
            self._refusal = refusal
            raise ValueError(refusal.code)
        super().on_headers_complete()
        self._arrival.head_complete()
        if self.server_state.closing:
            self.cycle.keep_alive = False

    def on_chunk_header(self) -> None:
        """A chunk's size has been read."""
        self._arrival.chunk_began()

    def on_body(self, body: bytes) -> None:
        self._arrival.body_came(len(body))
        if self.cycle.response_complete:
            # The body was not wanted, and its sender had the time to notice.
            self.transport.close()
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._arrival.message_complete()
        self._admitted.working(self)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.pipeline:
            self._admitted.awaited(self)

    def close_if_overdue(self, now: float, limits: ConnectionLimits) -> None:
        """Refuse a request that is too long on its way; give up a client that does not read."""
        if self._arrival.began_before(now - limits.receive_seconds) and not self._refused:
            self._refuse(wire.TOO_SLOW)
        if not self.transport.get_write_buffer_size():
            self._unsent_since = None
        elif self._unsent_since is None:
            self._unsent_since = now
        elif now - self._unsent_since > limits.unread_seconds:
            self.transport.abort()

    def last_answer(self) -> None:
        """The answer under way is the last one here."""
        if self.cycle is not None:
            self.cycle.keep_alive = False

    def give_up(self) -> None:
        """Close."""
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        # uvicorn tells the newest of several pipelined requests only.
        self._unread = b""
        self.pipeline.clear()
        self._disconnect()
        self._admitted.left(self)
        super().connection_lost(exc)

    def _disconnect(self) -> None:
        if self._running is not None:
            self._running.disconnected = True
            self._running.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _refuse(self, refusal: wire.Refusal) -> None:
        self._refused = True
        log.debug("request_refused", code=refusal.code)
        running = self._running if self._running and not self._running.response_complete else None
        in_body = not self._arrival.in_head
        if running and not (in_body and running is self.cycle):
            # An earlier request is still being worked on; its answer is the last one here.
            running.keep_alive = False
            self.pipeline.clear()
        elif in_body and (running is None or running.response_started):
            self._linger()
        else:
            self.transport.write(wire.raw_answer(refusal, self.server_state.problems))
            self._linger()

    def _linger(self) -> None:
        self._disconnect()
        self._admitted.left(self)
        if self.server_state.lingering >= _LINGERING:
            self.transport.close()
            return
        self.server_state.lingering += 1
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self._end_linger)

    def _end_linger(self) -> None:
        self.server_state.lingering -= 1
        self.transport.close()

    def _discard(self, count: int) -> None:
        self._discarded += count
        if self._discarded > _LINGER_BYTES:
            self.flow.pause_reading()
