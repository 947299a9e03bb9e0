"""Serves a process's applications over HTTP/1.1, on one listener or two, and stops them gracefully."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager

import msgspec
from litestar import Litestar

from kits.observability.logs import get_logger
from kits.process.descriptors import allow_descriptors
from kits.process.stopping import run_until_stopped
from kits.web.problems.details import Problems
from kits.web.server.connections import ConnectionLimits
from kits.web.server.http_server import HttpServer
from kits.web.server.listener import bound_socket
from kits.web.server.wire import PROBLEMS

log = get_logger(__name__)

LIFESPAN_END_SECONDS = 10.0
OPS_LIMITS = ConnectionLimits(connections=100)


class Shutdown(msgspec.Struct, frozen=True, kw_only=True):
    """How a process that is asked to stop does so; times in seconds."""

    delay_seconds: float = 0.0
    """Between becoming unready and accepting no connection, so that balancers can read it."""
    drain_seconds: float = 10.0
    """How long requests in flight may take after that."""


class Ops(msgspec.Struct, frozen=True, kw_only=True):
    """A second listener, for what is not the customers'. Port 0 takes a free one."""

    app: Litestar
    host: str
    port: int
    ready: Callable[[int], None] | None = None


async def serve(
    app: Litestar,
    *,
    host: str,
    port: int,
    stop: asyncio.Event,
    at_once: asyncio.Event | None = None,
    ready: Callable[[int], None] | None = None,
    draining: Callable[[], None] | None = None,
    shutdown: Shutdown = Shutdown(),  # noqa: B008 - frozen
    limits: ConnectionLimits = ConnectionLimits(),  # noqa: B008 - frozen
    problems: Problems = PROBLEMS,
    ops: Ops | None = None,
) -> None:
    """Run the application's lifespan and serve it until `stop` is set, then drain and return.

    The ports are bound before the lifespan begins, so that a taken port is known before anything is started,
    and listened on after it. After `stop`: `draining` is called; for the delay all is served as before, each
    answer being the last of its connection; then no connection is accepted any more, requests in flight get
    their time to finish, and the lifespan ends. With `at_once` set by then there is neither delay nor drain:
    what is in flight gets 503. The ops listener ends last. A `stop` during the start cancels it.

    Args:
        port: 0 takes a free one.
        ready: called with the port once connections are accepted.
        problems: tells what is refused before it reaches the application.

    Raises:
        PortTakenError, AddressError: nothing was started, or all of it was stopped again.
        TimeoutError: it did not stop in time. Exception: whatever the lifespan raised.
    """
    with ExitStack() as sockets:
        listener = sockets.enter_context(bound_socket(host, port))
        server = HttpServer(app, listener, limits, drain_seconds=shutdown.drain_seconds, problems=problems)
        ops_server = _ops_server(ops, sockets) if ops else None
        allow_descriptors(limits.connections)

        async def run() -> None:
            async with AsyncExitStack() as parts:
                if ops_server:
                    parts.push_async_callback(ops_server.stop)
                await parts.enter_async_context(_lifespan(app))
                if ops and ops_server:
                    _report(ops.ready, await ops_server.start())
                parts.push_async_callback(server.stop)
                _report(ready, await server.start())
                await server.ended()

        async def ask(serving: asyncio.Task[None]) -> None:
            if draining:
                draining()
            if not server.started:
                serving.cancel()
            elif at_once and at_once.is_set():
                server.drain_at_once()
            else:
                await server.say_last_answers(shutdown.delay_seconds, serving)
            server.should_exit = True

        bound = shutdown.drain_seconds + LIFESPAN_END_SECONDS
        await run_until_stopped(run(), stop, ask=ask, within_seconds=bound)
        log.info("http_server_stopped")


@asynccontextmanager
async def _lifespan(app: Litestar) -> AsyncIterator[None]:
    try:
        async with app.lifespan():
            yield
    except ExceptionGroup as group:
        # The framework does this inside of a task group, which wraps whatever is raised.
        error: Exception = group
        while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        raise error from None


def _ops_server(ops: Ops, sockets: ExitStack) -> HttpServer:
    listener = sockets.enter_context(bound_socket(ops.host, ops.port))
    return HttpServer(ops.app, listener, OPS_LIMITS, drain_seconds=0.0)


def _report(ready: Callable[[int], None] | None, port: int) -> None:
    if ready:
        ready(port)
