"""A lock between processes, so that two commands on one instance take turns."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devservices.errors import LockTimeoutError

POLL_SECONDS = 0.05


@contextmanager
def exclusive(path: Path, *, within_seconds: float = 180.0) -> Iterator[None]:
    """Hold the lock file `path`; the kernel releases it when the holder ends, however it ends.

    Raises:
        LockTimeoutError: another process held it for the whole of `within_seconds`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    give_up_at = time.monotonic() + within_seconds
    with path.open("a") as handle:
        while not _try_lock(handle.fileno()):
            if time.monotonic() > give_up_at:
                raise LockTimeoutError(
                    f"Another command has been working on this for {within_seconds:.0f} s (lock {path}): "
                    "wait until it ends, or end it, and try again."
                )
            time.sleep(POLL_SECONDS)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
