"""Preparing commands of a run: migrations, demo data, a token, keys."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from devservices.errors import DevServicesError
from devservices.instance import ROOT
from devservices.run.signals import StopRequest

COMMAND_SECONDS = 120.0
POLL_SECONDS = 0.2


class CommandFailedError(DevServicesError):
    """A preparing command of the run did not succeed."""

    code = "command_failed"


def run_command(*arguments: str, env: Mapping[str, str], stop: StopRequest) -> str:
    """Run `python -m <arguments>` to its end; returns what it wrote to stdout.

    Raises:
        CommandFailedError: it failed or took too long; the message holds its last words.
        StopRequestedError: somebody asked for the end; the command was ended first.
    """
    command = " ".join(["python -m", *arguments])
    with subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        words = _communicate(process, stop)
    stop.check()
    if words is None:
        raise CommandFailedError(f"`{command}` was not done after {COMMAND_SECONDS:.0f} s: try again.")
    if process.returncode != 0:
        last = "\n".join("".join(words).splitlines()[-15:])
        raise CommandFailedError(f"{last}\n`{command}` failed (exit code {process.returncode}): see above.")
    return words[0]


def make_folder(folder: Path, *arguments: str, env: Mapping[str, str], stop: StopRequest) -> None:
    """Run a command that makes the folder which its last word names; it comes whole or not at all.

    Raises:
        As run_command().
    """
    with tempfile.TemporaryDirectory(dir=folder.parent) as directory:
        fresh = Path(directory) / folder.name
        run_command(*arguments, str(fresh), env=env, stop=stop)
        fresh.rename(folder)


def _communicate(process: subprocess.Popen[str], stop: StopRequest) -> tuple[str, str] | None:
    give_up_at = time.monotonic() + COMMAND_SECONDS
    while time.monotonic() < give_up_at and not stop.asked.is_set():
        try:
            return process.communicate(timeout=POLL_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    return None
