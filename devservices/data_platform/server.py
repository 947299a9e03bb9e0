"""The reference data platform as a process: listen, serve until a signal, stop within a bound."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from devservices.data_platform.arrivals import Arrivals
from devservices.data_platform.control import Control
from devservices.data_platform.faults import Faults
from devservices.data_platform.intake import Intake
from devservices.data_platform.journal import Journal
from devservices.data_platform.problems import Refusal
from devservices.errors import PortTakenError

MAX_BODY_BYTES = 16 * 1024 * 1024
STOP_SECONDS = 2.0
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class PlatformOptions:
    """How one receiver is run. `port` 0 chooses a free one."""

    port: int
    host: str = "127.0.0.1"
    token: str | None = None
    journal: Path | None = None
    known_key_status: int = 409


def serve(options: PlatformOptions) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        PortTakenError: somebody else listens there.
    """
    asyncio.run(_serve(options))


async def _serve(options: PlatformOptions) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    runner = await start(options)
    host = f"[{options.host}]" if ":" in options.host else options.host
    print(f"data platform on http://{host}:{listening_port(runner)}", flush=True)
    await stopping.wait()
    await runner.cleanup()


async def start(options: PlatformOptions) -> web.AppRunner:
    """Listen; the caller ends it with `cleanup()`. Raises PortTakenError."""
    runner = web.AppRunner(build(options), access_log=None, shutdown_timeout=STOP_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, options.host, options.port).start()
    except OSError as error:
        await runner.cleanup()
        raise PortTakenError(
            f"Port {options.port} cannot be used ({error.strerror}): stop its user or choose another."
        ) from error
    return runner


def listening_port(runner: web.AppRunner) -> int:
    """The port that was given or chosen."""
    return int(runner.addresses[0][1])


def build(options: PlatformOptions) -> web.Application:
    """The application with everything it remembers."""
    arrivals, faults, journal = Arrivals(), Faults(), Journal(options.journal)
    journal.restore(arrivals)
    intake = Intake(arrivals, faults, journal, token=options.token, known_key_status=options.known_key_status)
    control = Control(arrivals, faults, journal)
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[answer_refusals])
    app.add_routes(
        [
            web.post("/order-events", intake.single),
            web.post("/order-events/batch", intake.batch),
            web.get("/received", control.received),
            web.delete("/received", control.forget),
            web.get("/faults", control.faults),
            web.post("/faults", control.switch_faults),
            web.get("/livez", control.alive),
        ]
    )

    async def close_journal(_: web.Application) -> None:
        journal.close()

    app.on_cleanup.append(close_journal)
    return app


@web.middleware
async def answer_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every refusal, aiohttp's own included, a JSON body with its reason."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return refusal.response()
    except web.HTTPException as error:
        refused = Refusal(error.status, error.text or error.reason).response()
        if "Allow" in error.headers:
            refused.headers["Allow"] = error.headers["Allow"]
        return refused
