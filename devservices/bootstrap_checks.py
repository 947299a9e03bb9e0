"""First step of every make target: what cannot carry the environment, and what to do about it.

Standard library only, and no syntax newer than Python 3.6, so that an old Python can say what is wrong.
"""

from typing import Optional, Tuple

OLDEST, NEWEST = (3, 11), (3, 14)
PLATFORMS = {("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64")}
NEEDED_BYTES = 2000000000


def python_problem(implementation: str, version: Tuple[int, ...], without_gil: bool) -> Optional[str]:
    """Why this Python does not fit, or None."""
    if implementation == "CPython" and OLDEST <= tuple(version) <= NEWEST and not without_gil:
        return None
    found = "{} {}{}".format(
        implementation, ".".join(map(str, version)), " (free-threaded)" if without_gil else ""
    )
    return "This needs CPython 3.{} to 3.{}, and `python3` is {}: install one and put it on the PATH.".format(
        OLDEST[1], NEWEST[1], found
    )


def platform_problem(system: str, machine: str, libc: str) -> Optional[str]:
    """Why this machine does not fit, or None."""
    if (system, machine) in PLATFORMS and (system != "Linux" or libc == "glibc"):
        return None
    return (
        "This runs on Linux (x86_64 or aarch64, glibc) and macOS (arm64), and this is {} {} {}:"
        " use one of those, or `docker compose up`.".format(system, machine, libc)
    )


def venv_problem(present: bool, version: Tuple[int, ...]) -> Optional[str]:
    """Why no virtual environment can be made, or None."""
    command = "apt install python3.{}-venv".format(version[1])
    return None if present else "This Python has no venv: install it (Debian, Ubuntu: {}).".format(command)


def space_problem(free_bytes: int, place: str) -> Optional[str]:
    """Why the disk is too full, or None."""
    if free_bytes >= NEEDED_BYTES:
        return None
    return (
        "Set-up needs {:.0f} GB, and {:.1f} GB are free at {}: free some disk space and run it again.".format(
            NEEDED_BYTES / 1e9, free_bytes / 1e9, place
        )
    )


def place_problem(root: str) -> Optional[str]:
    """Why nothing can be set up at this place, or None."""
    if ":" not in root and root.isprintable():
        return None
    return "The path of this folder has a ':' or a control character, which ends search paths: rename it."
