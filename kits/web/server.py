"""Serves an application over HTTP/1.1: uvicorn with httptools, hardened, bounded, and stopped gracefully."""

import asyncio
import math
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httptools
from litestar import Litestar
from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from kits.observability.logs import get_logger
from kits.web import wire
from kits.web.arrival import Arrival
from kits.web.lifespan import lifespan
from kits.web.listener import bound_socket, listening_errors
from kits.web.stopping import run_until_stopped

log = get_logger(__name__)

MAX_CONNECTIONS = 1000
KEEP_ALIVE_SECONDS = 15
RECEIVE_SECONDS = 10.0
LINGER_SECONDS = 1.0
LIFESPAN_END_SECONDS = 60.0


async def serve(
    app: Litestar,
    *,
    host: str,
    port: int,
    stop: asyncio.Event,
    ready: Callable[[int], None] | None = None,
    draining: Callable[[], None] | None = None,
    drain_seconds: float = 10.0,
    max_connections: int = MAX_CONNECTIONS,
    receive_seconds: float = RECEIVE_SECONDS,
) -> None:
    """Run the application's lifespan and serve it until `stop` is set, then drain and return.

    The port is bound before the lifespan begins, so that a taken port is known before anything is started,
    and listened on after it. After `stop`: `draining` is called, no connection is accepted any more, requests
    in flight get `drain_seconds` to finish, then the lifespan ends. A `stop` during the start cancels it.

    Args:
        port: 0 takes a free one.
        ready: called with the port once connections are accepted.
        max_connections: further ones get 503 at once.
        receive_seconds: how long a request may take to arrive; a slower one gets 408.

    Raises:
        PortTakenError, AddressError: nothing was started, or all of it was stopped again.
        TimeoutError: it did not stop in time. Exception: whatever the lifespan raised.
    """
    with bound_socket(host, port) as listener:
        server = _GracefulServer(
            app,
            listener,
            ready,
            drain_seconds=drain_seconds,
            max_connections=max_connections,
            receive_seconds=receive_seconds,
        )

        async def run() -> None:
            async with lifespan(app):
                await server.serve(sockets=[listener])

        def ask(serving: asyncio.Task[None]) -> None:
            if draining:
                draining()
            if server.started:
                server.should_exit = True
            else:
                serving.cancel()

        await run_until_stopped(run(), stop, ask=ask, within_seconds=drain_seconds + LIFESPAN_END_SECONDS)
        log.info("http_server_stopped")


class _GracefulServer(Server):
    """uvicorn without signal handlers and access log, with the lifespan and the socket in our own hands."""

    def __init__(
        self,
        app: Litestar,
        listener: socket.socket,
        ready: Callable[[int], None] | None,
        *,
        drain_seconds: float,
        max_connections: int,
        receive_seconds: float,
    ) -> None:
        self._listener = listener
        self._ready = ready
        self._receive_seconds = receive_seconds
        super().__init__(
            Config(
                app,
                http=_StrictProtocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=1024,
                limit_concurrency=max_connections,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=math.ceil(drain_seconds),
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and tell that we do."""
        host, port = self._listener.getsockname()[:2]
        with listening_errors(host, port):
            await super().startup(sockets)
        log.info("http_server_started", host=host, port=port)
        if self._ready:
            self._ready(port)

    async def on_tick(self, counter: int) -> bool:
        """Once per second, close the connections whose request comes too slowly."""
        if counter % 10 == 0:
            overdue = asyncio.get_running_loop().time() - self._receive_seconds
            for connection in list(self.server_state.connections):
                if isinstance(connection, _StrictProtocol):
                    connection.close_if_slower_than(overdue)
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process's runner."""
        yield


class _StrictProtocol(HttpToolsProtocol):
    """Answers every refusal with a problem, bounds head, time and connections, and lingers before it closes.

    Without lingering, bytes that are still under way make the kernel reset the connection, and the client
    never sees why it was refused.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # uvicorn's own limit answers in plain text.
        self._max_connections, self.limit_concurrency = config.limit_concurrency, None
        self._arrival = Arrival(self.loop.time())
        self._running: RequestResponseCycle | None = None
        self._refused = False
        self._refusal = wire.BROKEN_HTTP

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._max_connections and len(self.connections) > self._max_connections:
            self._refuse(wire.TOO_MANY_CONNECTIONS)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._unset_keepalive_if_required()
        self._arrival.bytes_came(len(data), self.loop.time())
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse(self._refusal)
        else:
            if self._arrival.head_too_large:
                self._refuse(wire.HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._arrival.message_began(self.loop.time())

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

    def on_body(self, body: bytes) -> None:
        if self.cycle.response_complete:
            # The body was not wanted, and its sender had the time to notice.
            self.transport.close()
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._arrival.message_complete()
        super().on_message_complete()

    def close_if_slower_than(self, overdue: float) -> None:
        """Refuse a request that began to arrive before `overdue` (loop time) and is not complete."""
        if self._arrival.began_before(overdue) and not self._refused:
            self._refuse(wire.TOO_SLOW)

    def connection_lost(self, exc: Exception | None) -> None:
        # uvicorn tells the newest of several pipelined requests only.
        self.pipeline.clear()
        self._disconnect()
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
            self.transport.close()
        else:
            self._answer(refusal)

    def _answer(self, refusal: wire.Refusal) -> None:
        self._disconnect()
        self.transport.write(wire.raw_answer(refusal))
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)
