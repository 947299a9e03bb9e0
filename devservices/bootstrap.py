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
from typing import Sequence

from devservices.bootstrap_checks import (
    NEWEST,
    OLDEST,
    place_problem,
    platform_problem,
    python_problem,
    space_problem,
    venv_problem,
)
from devservices.bootstrap_packages import SetupError, install_packages, make_environment

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
STAMP = os.path.join(VENV, "setup-complete")
MODULE = ["-E", "-s", "-m", "devservices.bootstrap"]
KINDS = ("run", "dev", "judges")  # each holds all that those before it hold
DEV = "dev"
NEARLY_FULL_BYTES = 50000000


def main(arguments: Sequence[str]) -> int:
    """Make .venv complete, for developers if no kind is named; 0, or 1 after a sentence on stderr."""
    asked = arguments[0] if arguments and arguments[0] in KINDS else DEV
    if is_complete(asked):
        return 0
    try:
        use_a_fitting_python(arguments)
        refuse_what_cannot_work()
        with open(os.path.join(ROOT, ".setup.lock"), "a") as handle:
            take_turns(handle.fileno())
            if not is_complete(asked):
                install(asked, handle.fileno())
    except SetupError as problem:
        return fail(str(problem))
    except OSError as problem:
        return fail("Set-up failed ({}): check free space and rights, then run it again.".format(problem))
    except KeyboardInterrupt:
        return fail("Set-up was interrupted: run the same command again, it mends what is half done.")
    return 0


def is_complete(asked: str) -> bool:
    """Whether .venv holds exactly what its lock file says, here and with its interpreter still in place.

    An environment that holds more serves as well.
    """
    found = stamped()
    kind = kind_of(found)
    return kind in KINDS[KINDS.index(asked) :] and found == stamp(kind)


def kind_of(found: str) -> str:
    """The kind that a stamp names; empty without one."""
    return found.partition("\n")[0]


def stamped() -> str:
    """What the environment that is there was made from; empty if it is not complete."""
    try:
        with open(STAMP) as handle:
            return handle.read()
    except OSError:
        return ""


def stamp(kind: str) -> str:
    """What an environment is made from: the kind of its lock file, this file, the place, the interpreter."""
    with open(lock_file(kind), "rb") as handle:
        digest = hashlib.sha256(handle.read()).hexdigest()
    return "\n".join([kind, digest, VENV, os.path.realpath(venv_python())]) + "\n"


def lock_file(kind: str) -> str:
    """What an environment of this kind holds."""
    return os.path.join(ROOT, "requirements-{}.lock".format(kind))


def venv_python() -> str:
    """The interpreter of the virtual environment."""
    return os.path.join(VENV, "bin", "python")


def use_a_fitting_python(arguments: Sequence[str]) -> None:
    """Go on in another Python of the PATH when this one does not fit (does not return then)."""
    if python_problem(platform.python_implementation(), sys.version_info[:2], free_threaded()) is None:
        return
    if os.environ.get("ORDER_PIPELINE_SETUP"):
        return
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        other = shutil.which("python3.{}".format(minor))
        if other and subprocess.call([other, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            os.environ["ORDER_PIPELINE_SETUP"] = other
            os.chdir(ROOT)
            os.execv(other, [other, *MODULE, *arguments])  # noqa: S606 - goes on as that Python


def refuse_what_cannot_work() -> None:
    """Raises SetupError for a Python, a platform or a disk that cannot carry the environment."""
    libc = platform.libc_ver()[0]
    space = shutil.disk_usage(ROOT).free
    has_venv = all(importlib.util.find_spec(name) for name in ("venv", "ensurepip"))
    for problem in (
        python_problem(platform.python_implementation(), sys.version_info[:2], free_threaded()),
        platform_problem(platform.system(), platform.machine(), libc),
        venv_problem(has_venv, sys.version_info[:2]),
        space_problem(space, ROOT),
        place_problem(ROOT),
    ):
        if problem:
            raise SetupError(problem)


def free_threaded() -> bool:
    """Whether this is a build without the interpreter lock, for which most wheels do not exist."""
    return bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def take_turns(lock: int) -> None:
    """Wait for another set-up of this checkout, also for one whose parent was killed."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("Another set-up of this checkout is running: waiting for its end ...")
        fcntl.flock(lock, fcntl.LOCK_EX)


def install(asked: str, lock: int) -> None:
    """Make the environment; what an interrupted attempt left is thrown away first."""
    say("Setting up .venv with Python {} (first time: a minute or two) ...".format(platform.python_version()))
    before = stamped()
    # Who has had more goes on to have it.
    kind = [each for each in KINDS if each in (asked, kind_of(before))][-1]
    if before:
        os.remove(STAMP)
    try:
        make_environment(VENV, lock, anew=before.splitlines()[2:] != stamp(kind).splitlines()[2:])
        install_packages(VENV, lock_file(kind), lock)
    except SetupError:
        if shutil.disk_usage(ROOT).free < NEARLY_FULL_BYTES:
            raise SetupError(
                "The disk of {} is full: free at least 2 GB and run it again.".format(ROOT)
            ) from None
        raise
    with open(STAMP, "w") as handle:
        handle.write(stamp(kind))
    say("Set-up is complete.")


def say(text: str) -> None:
    """One line of progress."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def fail(sentence: str) -> int:
    """Print the sentence; returns the exit code."""
    say(sentence)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
