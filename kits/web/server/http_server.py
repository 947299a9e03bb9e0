"""One listener: uvicorn with our protocol and start, without its signal handlers, access log and lifespan."""

import asyncio
import math
import socket

from litestar import Litestar
from uvicorn import Config, Server

from kits.observability.logs import get_logger
from kits.web.problems.details import Problems
from kits.web.server.acceptor import Acceptor
from kits.web.server.connection import ListenerState, StrictProtocol
from kits.web.server.connections import ConnectionLimits
from kits.web.server.listener import listening_errors
from kits.web.server.wire import PROBLEMS

log = get_logger(__name__)

_TICKS_PER_SECOND = 10
_LAST_REQUESTS_SECONDS = 1.0


class HttpServer(Server):
    """Serves on a bound socket until it is told to exit; signals and lifespan are in other hands."""

    server_state: ListenerState

    def __init__(
        self,
        app: Litestar,
        listener: socket.socket,
        limits: ConnectionLimits,
        *,
        drain_seconds: float,
        problems: Problems = PROBLEMS,
    ) -> None:
        super().__init__(
            Config(
                app,
                http=StrictProtocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=1024,
                timeout_keep_alive=math.ceil(limits.keep_alive_seconds),
                timeout_graceful_shutdown=math.ceil(drain_seconds),
            )
        )
        self.server_state = ListenerState(limits, problems)
        self._listener = listener
        self._limits = limits
        self._serving: asyncio.Task[None] | None = None
        self._acceptor: Acceptor | None = None

    async def start(self) -> int:
        """Listen, serve in a task of its own until `should_exit`, then drain; the port.

        Raises:
            AddressError: nothing is served.
        """
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        self.servers = []
        host, port = self._listener.getsockname()[:2]
        with listening_errors(host, port):
            self._listener.listen(self.config.backlog)
        self._listener.settimeout(0.0)
        self._acceptor = Acceptor(self._listener, self)
        self._serving = asyncio.create_task(self._serve_and_drain(), name="http-server")
        self.started = True
        log.info("http_server_started", host=host, port=port)
        return int(port)

    async def _serve_and_drain(self) -> None:
        await self.main_loop()
        self._accept_no_more()
        await self.shutdown([self._listener])

    async def ended(self) -> None:
        """Wait until what `start` began has drained; to cancel this cancels that."""
        if self._serving is not None:
            await self._serving

    async def stop(self) -> None:
        """End what `start` began, if it did, without waiting for anybody."""
        if self._serving is None or self._serving.done():
            return
        self._serving.cancel()
        self._accept_no_more()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if requests := self.server_state.tasks:
            await asyncio.wait(requests, timeout=_LAST_REQUESTS_SECONDS)

    async def say_last_answers(self, seconds: float, serving: asyncio.Task[None]) -> None:
        """Serve on for so long, each answer being its connection's last: clients go elsewhere in time."""
        self.server_state.closing = True
        for connection in self.server_state.connections:
            if isinstance(connection, StrictProtocol):
                connection.last_answer()
        if seconds:
            await asyncio.wait({serving}, timeout=seconds)

    def drain_at_once(self) -> None:
        """Give requests in flight no time at the end: they get 503."""
        self.config.timeout_graceful_shutdown = 0

    @property
    def is_full(self) -> bool:
        """Whether a new connection takes the place of another one."""
        return len(self.server_state.admitted) >= self._limits.connections

    def new_connection(self) -> StrictProtocol:
        """The protocol of a connection that was accepted."""
        return StrictProtocol(config=self.config, server_state=self.server_state, app_state={})

    def _accept_no_more(self) -> None:
        if self._acceptor is not None:
            self._acceptor.close()
            self._acceptor = None

    async def on_tick(self, counter: int) -> bool:
        """Once per second, close connections whose request comes too slowly, or whose answer is not read."""
        if counter % _TICKS_PER_SECOND == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, StrictProtocol):
                    connection.close_if_overdue(now, self._limits)
        return await super().on_tick(counter)
