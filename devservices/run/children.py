"""The processes of a run: started one by one, watched, stopped in order, found again if this one dies."""

import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from devservices import leftovers
from devservices.errors import DevServicesError
from devservices.instance import ROOT, Instance
from devservices.processes import ManagedProcess, spawn
from devservices.run.signals import StopRequest

# Longer than the processes' own drain bounds, so that SIGKILL only meets one that hangs.
STOP_SECONDS = 30.0
POLL_SECONDS = 0.05


class ChildEndedError(DevServicesError):
    """A process of the run ended by itself."""

    code = "child_ended"


class Children:
    """Started in order, stopped in the opposite order."""

    def __init__(self, instance: Instance, stop: StopRequest) -> None:
        self._instance = instance
        self._stop = stop
        self._children: list[ManagedProcess] = []

    def start(
        self, name: str, *arguments: str, env: Mapping[str, str], python: str | Path = sys.executable
    ) -> ManagedProcess:
        """Start `python -m <arguments>`; its output and its JSON log begin anew."""
        self._stop.check()
        log_path = self._instance.logs / f"{name}.log"
        for old in (log_path, Path(env["LOG_FILE"])):
            old.unlink(missing_ok=True)
        child = spawn(name, [python, "-m", *arguments], log_path=log_path, env=env, cwd=ROOT)
        self._children.append(child)
        leftovers.remember(self._instance, self._children)
        return child

    def require_alive(self) -> None:
        """Raises ChildEndedError, with the end of its log, for the first process that has ended."""
        for child in self._children:
            if not child.alive:
                code = "" if child.exit_code is None else f" (exit code {child.exit_code})"
                raise ChildEndedError(
                    f"{child.last_lines()}\nThe {child.name} ended by itself{code}: read {child.log_path}."
                )

    def wait_until(self, ready: Callable[[], bool], *, within_seconds: float) -> bool:
        """Wait for a condition while all processes live; False after the bound.

        Raises:
            ChildEndedError: a process ended.
            StopRequestedError: somebody asked for the end.
        """
        give_up_at = time.monotonic() + within_seconds
        while not ready():
            self._stop.check()
            self.require_alive()
            if time.monotonic() > give_up_at:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after a bound (at once in a hurry), one by one, the last started first."""
        for child in reversed(self._children):
            child.send_signal(signal.SIGTERM)
            give_up_at = time.monotonic() + STOP_SECONDS
            while child.alive and time.monotonic() < give_up_at and not self._stop.hurry.is_set():
                time.sleep(POLL_SECONDS / 5)
            child.kill()
        leftovers.forget(self._instance)
