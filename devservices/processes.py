"""Processes that outlive the command that started them: start, find again, stop."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from devservices.errors import ServerStartError

POLL_SECONDS = 0.01
LOG_LIMIT_BYTES = 20_000_000
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(slots=True)
class ManagedProcess:
    """One process, named by its id and the mark of its start, so that a reused id is never mistaken for it.

    `exit_code` is known once the end of a child of the calling process was seen (negative: the signal).
    """

    name: str
    pid: int
    started: str
    log_path: Path
    exit_code: int | None = None

    @property
    def alive(self) -> bool:
        """Whether it still runs; one that ended but was not collected by its parent counts as ended."""
        return self._find() is not None

    def send_signal(self, number: int) -> bool:
        """Send a signal; False when the process has ended already."""
        process = self._find()
        if process is None:
            return False
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            return False
        return True

    def wait(self, within_seconds: float) -> bool:
        """Wait for its end; False when it still runs after `within_seconds`."""
        give_up_at = time.monotonic() + within_seconds
        # Polled, not waited for: a process of another parent stays visible until that parent collects it.
        while self.alive:
            if time.monotonic() > give_up_at:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def stop(self, within_seconds: float, stop_signal: int = signal.SIGTERM) -> bool:
        """Ask it to end, and SIGKILL it after the bound; True when it ended by itself."""
        self.send_signal(stop_signal)
        if self.wait(within_seconds):
            return True
        self.kill()
        return False

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.send_signal(signal.SIGCONT)
        self.send_signal(signal.SIGKILL)
        self.wait(10.0)

    def last_lines(self, count: int = 15) -> str:
        """The end of its log file, for a message about its end."""
        try:
            lines = self.log_path.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-count:])

    def as_state(self) -> dict[str, Any]:
        """What has to be remembered to find it again from another process."""
        return {"name": self.name, "pid": self.pid, "started": self.started, "log": str(self.log_path)}

    def _find(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
            same = _start_mark(self.pid) == self.started
            if same and process.status() == psutil.STATUS_ZOMBIE:
                self._collect(process)
                return None
        except psutil.Error:
            return None
        return process if same else None

    def _collect(self, ended: psutil.Process) -> None:
        try:
            self.exit_code = ended.wait(timeout=0)
        except psutil.TimeoutExpired:
            return  # another process is its parent


def from_state(values: Mapping[str, Any] | None) -> ManagedProcess | None:
    """The process that `as_state` described; None for nothing or something unreadable."""
    try:
        return (
            ManagedProcess(
                str(values["name"]), int(values["pid"]), str(values["started"]), Path(values["log"])
            )
            if values
            else None
        )
    except (KeyError, TypeError, ValueError):
        return None


def current() -> ManagedProcess:
    """The calling process itself, so that another command can see whether it still runs."""
    return ManagedProcess("parent", os.getpid(), _start_mark(os.getpid()), Path(os.devnull))


def spawn(
    name: str,
    command: Sequence[str | Path],
    *,
    log_path: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: str | None = None,
    group: int | None = None,
) -> ManagedProcess:
    """Start a process in a session of its own, so that Ctrl-C of this terminal does not reach it.

    Its output is appended to `log_path`. It is not waited for: whoever holds the result stops it.

    Raises:
        ServerStartError: the program could not be started at all.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("ab") as log:
        try:
            started = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(env) if env is not None else None,
                cwd=cwd,
                start_new_session=True,
                user=user,
                group=group,
                extra_groups=[] if user else None,
            )
        except OSError as error:
            raise ServerStartError(f"{name} could not be started ({error}): see {log_path}.") from error
    mark = _start_mark(started.pid)
    # From here on it is known by its mark; without this line the Popen object warns when it is dropped.
    started.returncode = 0
    return ManagedProcess(name, started.pid, mark, log_path)


def limit_log(path: Path) -> None:
    """Begin a log that has grown large anew; the former one is kept beside it."""
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(path.with_suffix(".log.1"))


def find_by_argument(argument: str) -> Iterator[ManagedProcess]:
    """Running processes that have exactly this word in their command line."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if argument in words:
            yield from _managed(process)


def find_by_directory(directory: Path, program: str) -> Iterator[ManagedProcess]:
    """Running processes of `program` that work in `directory`."""
    for process in psutil.process_iter(["name", "cwd"]):
        if process.info["name"] == program and process.info["cwd"] == str(directory):
            yield from _managed(process)


def _managed(process: psutil.Process) -> Iterator[ManagedProcess]:
    try:
        yield ManagedProcess("leftover", process.pid, _start_mark(process.pid), Path(os.devnull))
    except psutil.NoSuchProcess:
        return


def _start_mark(pid: int) -> str:
    """A value that no other process with this id has; on Linux it does not move when the clock is set."""
    if sys.platform == "linux":
        try:
            ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        except OSError as error:
            raise psutil.NoSuchProcess(pid) from error
        return f"{BOOT_ID.read_text().strip()}:{ticks}"
    return f"{psutil.Process(pid).create_time():.2f}"
