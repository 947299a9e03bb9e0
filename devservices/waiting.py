"""Waiting for a server that was just started."""

import time
from collections.abc import Callable
from typing import Protocol

from devservices import ports
from devservices.errors import ServerStartError
from devservices.processes import ManagedProcess

POLL_SECONDS = 0.02


class Listening(Protocol):
    """A server that chooses a port when it is launched."""

    @property
    def port(self) -> int | None:
        """The port it was last launched on."""

    @property
    def process(self) -> ManagedProcess | None:
        """Its process, when it runs."""


def launch_twice_if_port_was_taken(server: Listening, launch: Callable[[], None]) -> None:
    """Launch, and once more (on another port) when somebody took the port after it had been chosen.

    Raises:
        ServerStartError: as `launch` does.
    """
    try:
        launch()
    except ServerStartError:
        if server.process is not None or server.port is None or ports.is_free(server.port):
            raise
        launch()


def until_ready(process: ManagedProcess, ready: Callable[[], bool], *, within_seconds: float) -> None:
    """Return when `ready()` says so.

    Raises:
        ServerStartError: the process ended first, or `within_seconds` went by.
    """
    give_up_at = time.monotonic() + within_seconds
    while not ready():
        if not process.alive:
            raise ServerStartError(
                f"{process.last_lines()}\n{process.name} ended while starting: read {process.log_path},"
                " mend what it says and try again."
            )
        if time.monotonic() > give_up_at:
            raise ServerStartError(
                f"{process.name} did not answer within {within_seconds:.0f} s: read {process.log_path}"
                " and try again."
            )
        time.sleep(POLL_SECONDS)
