"""First step of every make target: the virtual environment, from hashed lock files, with the system's Python.

Standard library only, and no syntax newer than Python 3.6, so that an old Python can say what is wrong.
Every failure ends with one sentence on stderr that says what to do, and exit code 1.
"""

import fcntl
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import threading
from typing import IO, List, Optional, Sequence, Tuple

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
LOCK_FILE = os.path.join(ROOT, "requirements-dev.lock")
STAMP = os.path.join(VENV, "setup-complete")
OLDEST, NEWEST = (3, 11), (3, 14)
PLATFORMS = {("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64")}
NEEDED_BYTES = 2000000000
NETWORK_SIGNS = ("Retrying (", "connection broken", "Temporary failure in name resolution", "ProxyError")
PIP_PROBLEMS = (
    (
        ("DO NOT MATCH THE HASHES",),
        (
            "A package is not the one that requirements-dev.lock names:"
            " check the package index in use (pip config list), then run it again."
        ),
    ),
    (("No space left on device",), "The disk is full: free at least 2 GB and run it again."),
    (
        NETWORK_SIGNS,
        (
            "The package index cannot be reached:"
            " check the network, the proxy and pip's own settings (pip config list), then run it again."
        ),
    ),
    (
        ("No matching distribution found",),
        (
            "The package index lacks a package of requirements-dev.lock, or cannot be reached:"
            " check the network and pip's own settings (pip config list), then run it again."
        ),
    ),
)


class SetupError(Exception):
    """Set-up cannot go on; the message is one sentence that says what to do."""


def main() -> int:
    """Make .venv complete; 0 when it is, 1 after a sentence on stderr."""
    if is_complete():
        return 0
    try:
        use_a_fitting_python()
        refuse_what_cannot_work()
        with open(os.path.join(ROOT, ".setup.lock"), "a") as handle:
            take_turns(handle.fileno())
            if not is_complete():
                install(handle.fileno())
    except SetupError as problem:
        return fail(str(problem))
    except OSError as problem:
        return fail("Set-up failed ({}): check free space and rights, then run it again.".format(problem))
    except KeyboardInterrupt:
        return fail("Set-up was interrupted: run the same command again, it mends what is half done.")
    return 0


def is_complete() -> bool:
    """Whether .venv holds exactly what the lock file says, here and with its interpreter still in place."""
    try:
        with open(STAMP) as handle:
            return handle.read() == stamp()
    except OSError:
        return False


def stamp() -> str:
    """What the environment was made from: lock file, place, interpreter."""
    with open(LOCK_FILE, "rb") as handle:
        digest = hashlib.sha256(handle.read()).hexdigest()
    return "\n".join([digest, VENV, os.path.realpath(venv_python())]) + "\n"


def venv_python() -> str:
    """The interpreter of the virtual environment."""
    return os.path.join(VENV, "bin", "python")


def use_a_fitting_python() -> None:
    """Go on in another Python of the PATH when this one does not fit (does not return then)."""
    if python_problem(platform.python_implementation(), sys.version_info[:2], free_threaded()) is None:
        return
    if os.environ.get("ORDER_PIPELINE_SETUP"):
        return
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        other = shutil.which("python3.{}".format(minor))
        if other and subprocess.call([other, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            os.environ["ORDER_PIPELINE_SETUP"] = other
            os.execv(other, [other, "-I", os.path.abspath(__file__)])  # noqa: S606 - goes on as that Python


def refuse_what_cannot_work() -> None:
    """Raises SetupError for a Python, a platform or a disk that cannot carry the environment."""
    libc = platform.libc_ver()[0]
    space = shutil.disk_usage(ROOT).free
    has_venv = all(importlib.util.find_spec(name) for name in ("venv", "ensurepip"))
    for problem in (
        python_problem(platform.python_implementation(), sys.version_info[:2], free_threaded()),
        platform_problem(platform.system(), platform.machine(), libc),
        venv_problem(has_venv, sys.version_info[:2]),
        space_problem(space),
    ):
        if problem:
            raise SetupError(problem)


def free_threaded() -> bool:
    """Whether this is a build without the interpreter lock, for which most wheels do not exist."""
    return bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


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


def space_problem(free_bytes: int) -> Optional[str]:
    """Why the disk is too full, or None."""
    if free_bytes >= NEEDED_BYTES:
        return None
    return (
        "Set-up needs {:.0f} GB, and {:.1f} GB are free at {}: free some disk space and run it again.".format(
            NEEDED_BYTES / 1e9, free_bytes / 1e9, ROOT
        )
    )


def take_turns(lock: int) -> None:
    """Wait for another set-up of this checkout, also for one whose parent was killed."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("Another set-up of this checkout is running: waiting for its end ...")
        fcntl.flock(lock, fcntl.LOCK_EX)


def install(lock: int) -> None:
    """Make the environment; what an interrupted attempt left is thrown away first."""
    say("Setting up .venv with Python {} (first time: a few minutes) ...".format(platform.python_version()))
    remade = not os.path.exists(STAMP) or not os.path.exists(venv_python())
    if os.path.exists(STAMP):
        os.remove(STAMP)
    if remade and subprocess.call([sys.executable, "-m", "venv", "--clear", VENV]) != 0:
        raise SetupError(
            "The virtual environment could not be made in {}: see above, then run it again.".format(VENV)
        )
    pip = [venv_python(), "-m", "pip", "--disable-pip-version-check"]
    arguments = ["install", "--require-hashes", "--only-binary", ":all:", "--no-input", "-r", LOCK_FILE]
    code, words = run_and_listen([*pip, *arguments], lock)
    if code != 0:
        raise SetupError(pip_problem(words))
    with open(STAMP, "w") as handle:
        handle.write(stamp())
    say("Set-up is complete.")


def pip_problem(words: str) -> str:
    """The one sentence for what pip said on stderr."""
    for signs, sentence in PIP_PROBLEMS:
        if any(sign in words for sign in signs):
            return sentence
    return "The packages could not be installed: see pip's words above, mend the cause and run it again."


def run_and_listen(command: Sequence[str], lock: int) -> Tuple[int, str]:
    """Run with everything shown as it comes; returns the exit code and what went to stderr.

    The command holds the lock as well, so nobody starts over while it still writes, whoever has died.
    """
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=[lock])
    heard = []  # type: List[bytes]
    listener = threading.Thread(target=pass_on, args=(process.stderr, heard))
    listener.start()
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    finally:
        listener.join()
    return code, b"".join(heard).decode("utf-8", "replace")


def pass_on(source: "IO[bytes]", heard: "List[bytes]") -> None:
    """Copy every line to stderr and keep it."""
    for line in source:
        heard.append(line)
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
    source.close()


def say(text: str) -> None:
    """One line of progress."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def fail(sentence: str) -> int:
    """Print the sentence; returns the exit code."""
    say(sentence)
    return 1


if __name__ == "__main__":
    sys.exit(main())
