"""A small file system for the database, which can be made full and wide again; where mounting is allowed."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

_SOURCE = "order-pipeline-chaos-"
_SIZE = "2g"
_MOUNTS = Path("/proc/self/mounts")
_SECONDS = 20.0
_TRIES = 50


class NotPossibleError(Exception):
    """This machine does not allow the fault; the message is the reason."""


@dataclass(slots=True)
class SmallDisk:
    """A tmpfs at `place`: full when its limit is what it holds. Its owner is the process that mounted it."""

    place: Path
    owner: int
    why_not: str = ""

    def mount(self) -> None:
        """Mount it, or remember why that can't be done here."""
        self.place.mkdir(parents=True, exist_ok=True)
        source = f"{_SOURCE}{self.owner}"
        self.why_not = _run("mount", "-t", "tmpfs", "-o", f"size={_SIZE},mode=0755", source, str(self.place))

    def fill(self) -> None:
        """Not one byte more.

        Raises:
            NotPossibleError: nothing is mounted.
        """
        if self.why_not:
            raise NotPossibleError(self.why_not)
        # The database may write between the look and the limit, and a limit below the use is refused.
        said = "never tried"
        for _ in range(_TRIES):
            if not (said := self._resize(str(psutil.disk_usage(str(self.place)).used))):
                return
        raise NotPossibleError(said)

    def free(self) -> None:
        """Room again."""
        if not self.why_not:
            self._resize(_SIZE)

    def _resize(self, size: str) -> str:
        return _run("mount", "-o", f"remount,size={size},mode=0755", str(self.place))


def unmount(owners: set[int]) -> None:
    """Unmount what these processes mounted; whatever still works on it keeps it until its own end."""
    for source, place in _ours():
        if int(source.removeprefix(_SOURCE)) in owners:
            _run("umount", "--lazy", place)


def unmount_left_behind() -> None:
    """Unmount what processes that have ended left behind."""
    unmount({owner for owner in _owners() if not psutil.pid_exists(owner)})


def _owners() -> set[int]:
    return {int(source.removeprefix(_SOURCE)) for source, _ in _ours()}


def _ours() -> list[tuple[str, str]]:
    if not _MOUNTS.exists():
        return []
    words = [line.split() for line in _MOUNTS.read_text().splitlines()]
    return [(each[0], each[1]) for each in words if each[0].startswith(_SOURCE)]


def _run(*command: str) -> str:
    """Run it; why it failed, empty when it did not."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"
