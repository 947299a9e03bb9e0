"""The guardian: cleans up after a campaign, however it ended: done, Ctrl-C, its own crash or SIGKILL.

`python -m chaos.guardian INSTANCE PID` waits until nobody holds the other end of its standard input any more.
"""

import signal
import subprocess
import sys
from contextlib import suppress
from types import TracebackType
from typing import Self

import psutil  # type: ignore[import-untyped]

from chaos import disk
from devservices import throwaway
from devservices.instance import ROOT, Instance
from devservices.stack import Stack

MARK = "ORDER_PIPELINE_CHAOS"
"""Every process of a campaign has this name in its environment, with the campaign's instance as the value."""
_CLEAN_UP_SECONDS = 90.0


class Guardian:
    """A context: at its end, and whenever the calling process ends, everything marked is gone."""

    def __init__(self, instance: str, owner: int) -> None:
        self._command = [sys.executable, "-m", "chaos.guardian", instance, str(owner)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, cwd=ROOT, start_new_session=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(_CLEAN_UP_SECONDS)


def clean_up(instance: str, owner: int) -> None:
    """End the marked processes, stop the servers, unmount the disk, delete what they left."""
    for process in marked(instance):
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGCONT)
            process.kill()
    stack = Stack(Instance(instance), environ={})
    for server in (stack.kafka, stack.postgres):
        server.kill()
        server.stop(1.0)
    disk.unmount({owner})
    throwaway.release(stack)


def marked(instance: str) -> list[psutil.Process]:
    """The processes of a campaign that run."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == instance and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue  # it has ended, or is somebody else's
    return found


def main(instance: str, owner: str) -> None:
    """Wait for the end of the campaign, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    clean_up(instance, int(owner))


if __name__ == "__main__":
    main(*sys.argv[1:])
