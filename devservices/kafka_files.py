"""Apache Kafka's jar files: fetched once into a cache that all instances share, checked by their hashes."""

import subprocess
import sys
from pathlib import Path

from devservices.errors import DownloadError
from devservices.locks import exclusive

KAFKA_VERSION = "4.3.1"
EXPECTED = Path(__file__).with_name("kafka_files.sha256")


def class_path(cache: Path) -> list[Path]:
    """The jars to start Kafka with, fetched first when they are not there; progress goes to stderr.

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


def _complete(directory: Path) -> bool:
    return all((directory / name).exists() for name in expected_hashes())


def _download(directory: Path) -> None:
    # A process of its own: only the first start pays for loading the resolver.
    command = [sys.executable, "-m", "devservices.kafka_download", str(directory)]
    done = subprocess.run(command, check=False, stdout=sys.stderr, cwd=Path(__file__).parent.parent)
    if done.returncode != 0:
        raise DownloadError(
            "Kafka's files could not be fetched (see above): mend the cause and run the same command again;"
            " what is there already is kept."
        )
