"""Apache Kafka's jar files: fetched once into a cache that all instances share, checked at each start."""

import hashlib
import subprocess
import sys
from pathlib import Path

from devservices.errors import DownloadError
from devservices.locks import exclusive

KAFKA_VERSION = "4.3.1"
EXPECTED = Path(__file__).with_name("kafka_files.sha256")


def class_path(cache: Path) -> list[Path]:
    """The jars to start Kafka with; those that are missing or changed are fetched first.

    Progress goes to stderr.

    Raises:
        DownloadError: they could not be fetched.
    """
    directory = cache / f"kafka-{KAFKA_VERSION}"
    if not _complete(directory):
        with exclusive(cache.parent / "locks" / "kafka-files.lock", within_seconds=900):
            if not _complete(directory):
                _download(directory)
    return [directory / name for name in expected_hashes()]


def expected_hashes() -> dict[str, str]:
    """File name -> SHA-256, in class path order."""
    lines = (line.split() for line in EXPECTED.read_text().splitlines())
    return {name: digest for digest, name in lines}


def is_expected(path: Path, digest: str) -> bool:
    """Whether this file is there and has this SHA-256."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == digest
    except FileNotFoundError:
        return False


def _complete(directory: Path) -> bool:
    return all(is_expected(directory / name, digest) for name, digest in expected_hashes().items())


def _download(directory: Path) -> None:
    # A process of its own: only the first start pays for loading the resolver.
    command = [sys.executable, "-m", "devservices.kafka_download", str(directory)]
    done = subprocess.run(command, check=False, stdout=sys.stderr, cwd=Path(__file__).parent.parent)
    if done.returncode != 0:
        raise DownloadError(
            "Kafka's files could not be fetched (see above): mend the cause and run the same command again;"
            " what is there already is kept."
        )
