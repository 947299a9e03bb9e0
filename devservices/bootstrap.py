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
from typing import List, Sequence

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
MODULE = ["-E", "-s", "-m", "devservices.bootstrap"]
# By environment: in a row each holds all that those before it hold. The sales' engine has one of its own.
LADDERS = {".venv": ("run", "dev", "judges"), ".venv-sales": ("sales", "sales-dev")}
BESIDES = {"sales": "run", "sales-dev": "dev"}
DEV = "dev"
NEARLY_FULL_BYTES = 50000000


def main(arguments: Sequence[str]) -> int:
    """Make an environment complete, for developers if none is named; 0, or 1 after a sentence on stderr."""
    asked = arguments[0] if arguments and any(arguments[0] in row for row in LADDERS.values()) else DEV
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
    """Whether it holds exactly what its lock files say, here and with its interpreter still in place.

    An environment that holds more serves as well.
    """
    found = stamped(asked)
    kind = kind_of(found)
    ladder = LADDERS[name_of(asked)]
    return kind in ladder[ladder.index(asked) :] and found == stamp(kind)


def kind_of(found: str) -> str:
    """The kind that a stamp names; empty without one."""
    return found.partition("\n")[0]


def name_of(kind: str) -> str:
    """The environment that holds this kind."""
    return next(name for name, ladder in LADDERS.items() if kind in ladder)


def venv_of(kind: str) -> str:
    """Where that is."""
    return os.path.join(ROOT, name_of(kind))


def stamp_file(kind: str) -> str:
    """What is written down there when it is complete."""
    return os.path.join(venv_of(kind), "setup-complete")


def stamped(kind: str) -> str:
    """What the environment that is there was made from; empty if it is not complete."""
    try:
        with open(stamp_file(kind)) as handle:
            return handle.read()
    except OSError:
        return ""


def stamp(kind: str) -> str:
    """What an environment is made from: its kind, its lock files, the place, the interpreter."""
    digest = hashlib.sha256()
    for path in lock_files(kind):
        with open(path, "rb") as handle:
            digest.update(handle.read())
    python = os.path.realpath(os.path.join(venv_of(kind), "bin", "python"))
    return "\n".join([kind, digest.hexdigest(), venv_of(kind), python]) + "\n"


def lock_files(kind: str) -> List[str]:
    """What an environment of this kind holds; uv stands in the last one. Together they pin nothing twice."""
    names = ["sales", BESIDES[kind]] if kind in BESIDES else [kind]
    return [os.path.join(ROOT, "requirements-{}.lock".format(name)) for name in names]


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
    name = name_of(asked)
    version = platform.python_version()
    say("Setting up {} with Python {} (first time: a minute or two) ...".format(name, version))
    before = stamped(asked)
    # Who has had more goes on to have it.
    kind = [each for each in LADDERS[name] if each in (asked, kind_of(before))][-1]
    if before:
        os.remove(stamp_file(kind))
    try:
        make_environment(venv_of(kind), lock, anew=before.splitlines()[2:] != stamp(kind).splitlines()[2:])
        install_packages(venv_of(kind), lock_files(kind), lock)
    except SetupError:
        if shutil.disk_usage(ROOT).free < NEARLY_FULL_BYTES:
            raise SetupError(
                "The disk of {} is full: free at least 2 GB and run it again.".format(ROOT)
            ) from None
        raise
    with open(stamp_file(kind), "w") as handle:
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
