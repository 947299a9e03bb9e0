"""Maven repositories: which are asked is the reader's setting, and what is fetched is known by its hash."""

import sys
from pathlib import Path

from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import MavenContext, PythonResolver

TIMEOUT_SECONDS = 30


class WrongFileError(Exception):
    """A fetched file is not the one that is expected."""


def maven_context(store: Path) -> MavenContext:
    """Keeps what it fetches below `store`."""
    repositories = {"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories}
    return MavenContext(
        resolver=PythonResolver(), repo_cache=store, remote_repos=repositories, timeout=TIMEOUT_SECONDS
    )


def failure(what: str, error: Exception) -> str:
    """One sentence for a download that did not succeed."""
    return (
        f"{what} could not be downloaded ({type(error).__name__}: {str(error)[:300]}):"
        " check the network and the free disk space;"
        " for a mirror put `central = <address>` under [repositories] in ~/.config/jgo.conf."
    )


def say(text: str) -> None:
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)
