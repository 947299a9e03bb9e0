"""Signals of a serving process: the first asks it to stop, the second makes it stop."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from kits.observability.logs import get_logger

log = get_logger(__name__)

_STOPPING = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stop_on_signals() -> Iterator[asyncio.Event]:
    """An event that SIGTERM or Ctrl-C sets; a second signal ends the process at once with 128 + its number.

    Inside of the block this process owns both signals. Nothing is cleaned up by the second one: what the
    process promises must hold after SIGKILL too.
    """
    stop = asyncio.Event()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            log.warning("stopped_at_once", signal=number.name, action="none, a second signal asked for it")
            os._exit(128 + number)
        log.info("stop_requested", signal=number.name)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in _STOPPING:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield stop
    finally:
        for number in _STOPPING:
            loop.remove_signal_handler(number)
