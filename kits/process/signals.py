"""Signals of a serving process: SIGTERM asks it to stop, Ctrl-C to hurry, a second one makes it stop."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from kits.observability.logs import get_logger

log = get_logger(__name__)

_STOPPING = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class StopSignals:
    """What has been asked for."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Stop."""
    at_once: asyncio.Event = field(default_factory=asyncio.Event)
    """Without waiting for anybody; never without `asked`."""


@contextmanager
def stop_on_signals() -> Iterator[StopSignals]:
    """SIGTERM asks for a stop, Ctrl-C for one at once; a second signal exits with 128 + its number.

    Inside of the block this process owns both signals. Nothing is cleaned up by the second one: what the
    process promises must hold after SIGKILL too.
    """
    stop = StopSignals()

    def on_signal(number: signal.Signals) -> None:
        if stop.asked.is_set():
            log.warning("stopped_at_once", signal=number.name, action="none, a second signal asked for it")
            os._exit(128 + number)
        log.info("stop_requested", signal=number.name)
        if number is signal.SIGINT:
            stop.at_once.set()
        stop.asked.set()

    loop = asyncio.get_running_loop()
    for number in _STOPPING:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield stop
    finally:
        for number in _STOPPING:
            loop.remove_signal_handler(number)
