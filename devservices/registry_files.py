"""Apicurio Registry's files: fetched once into a cache that all instances share, checked at each start."""

import hashlib
import subprocess
import sys
from pathlib import Path

from devservices.errors import DownloadError
from devservices.locks import exclusive

VERSION = "3.3.3"
ARCHIVE_SHA512 = (
    "dd081e0bb14bb94ac9806eb768667b10a7292a8a75a81cbbfec1c99d920bc356"
    "97fc5e567d74b7bf94a0105648b90480842822959815d2965e0dc6c9524c92d3"
)
FILES_SHA256 = "aa719adc8977d7663f8162955cfb02ad58230a9ffbb214430b2e779fbc0eb88b"
"""Of all that is in the archive, see `digest_of`."""
PROGRAM = "quarkus-run.jar"


def program(cache: Path) -> Path:
    """The jar to start; what is missing or changed is fetched first. Progress goes to stderr.

    Raises:
        DownloadError: it could not be fetched.
    """
    directory = cache / f"apicurio-registry-{VERSION}"
    if digest_of(directory) != FILES_SHA256:
        with exclusive(cache.parent / "locks" / "registry-files.lock", within_seconds=900):
            if digest_of(directory) != FILES_SHA256:
                _download(directory)
    return directory / PROGRAM


def digest_of(directory: Path) -> str:
    """SHA-256 of a folder: of every file in it by its place and content, and of no more."""
    whole = hashlib.sha256()
    for path in sorted(each for each in directory.rglob("*") if each.is_file()):
        whole.update(f"{file_digest(path, 'sha256')}  {path.relative_to(directory).as_posix()}\n".encode())
    return whole.hexdigest()


def file_digest(path: Path, algorithm: str) -> str:
    """Of one file; "" when it is not there."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()
    except FileNotFoundError:
        return ""


def _download(directory: Path) -> None:
    # A process of its own: only the first start pays for loading the resolver.
    command = [sys.executable, "-m", "devservices.registry_download", str(directory)]
    done = subprocess.run(command, check=False, stdout=sys.stderr, cwd=Path(__file__).parent.parent)
    if done.returncode != 0:
        raise DownloadError(
            "The registry's files could not be fetched (see above): mend the cause and run the same command"
            " again; what is there already is kept."
        )
