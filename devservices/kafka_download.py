"""Fetches Kafka's jar files from a Maven repository (run as a process by `kafka_files`)."""

import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jgo.maven import Artifact, Dependency, MavenContext

from devservices.kafka_files import KAFKA_VERSION, expected_hashes, is_expected
from devservices.maven import WrongFileError, failure, maven_context, say

KAFKA = ("org.apache.kafka", "kafka_2.13", KAFKA_VERSION)
LOG_BINDING = ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4")
PARALLEL = 4


def main(directory: Path) -> int:
    """Fill `directory` with the expected files; 0 when all are there, else 1 after one sentence on stderr."""
    store = directory.with_name("maven")
    try:
        fetch(directory, store)
    except WrongFileError as error:
        say(str(error))
    except (OSError, RuntimeError, ValueError, SyntaxError) as error:
        # A half-written description is as likely a cause as the network: the next try looks all up again.
        shutil.rmtree(store, ignore_errors=True)
        say(failure("Kafka", error))
    except KeyboardInterrupt:
        say("The download was interrupted; the files that are complete are kept.")
    else:
        return 0
    return 1


def fetch(directory: Path, store: Path) -> None:
    """Resolve, download and check every file, each complete before it gets its name in `directory`."""
    say(f"Kafka {KAFKA_VERSION}: looking up its files (first time only) ...")
    context = maven_context(store)
    artifacts = {artifact.filename: artifact for artifact in _resolve(context)}
    names = list(expected_hashes())
    if missing := [name for name in names if name not in artifacts]:
        raise WrongFileError(f"The Maven repository offers other files than expected; missing: {missing}.")
    directory.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(PARALLEL) as pool:
        sizes = pool.map(lambda name: _fetch_one(artifacts[name], directory / name), names)
        for number, (name, size) in enumerate(zip(names, sizes, strict=True), start=1):
            say(f"  [{number:2}/{len(names)}] {name} ({size / 1e6:.1f} MB)")
    shutil.rmtree(store, ignore_errors=True)


def _resolve(context: MavenContext) -> Iterator[Artifact]:
    """Kafka with all that it needs, and the one file that gives it a log.

    Each is resolved alone: in one list the second silently pulls Kafka's client down to 3.9.
    """
    group, name, version = KAFKA
    kafka = context.project(group, name).at_version(version).artifact()
    asked, needed = context.resolver.resolve([Dependency(kafka, scope="compile")])
    yield from (dep.artifact for dep in [*asked, *needed] if dep.scope in ("compile", "runtime"))
    group, name, version = LOG_BINDING
    yield context.project(group, name).at_version(version).artifact()


def _fetch_one(artifact: Artifact, target: Path) -> int:
    expected = expected_hashes()[target.name]
    if not is_expected(target, expected):
        downloaded = artifact.resolve()
        if not is_expected(downloaded, expected):
            # Left by an interrupted download, or changed on the way: once more from the start.
            downloaded.unlink()
            downloaded = artifact.resolve()
        if not is_expected(downloaded, expected):
            raise WrongFileError(
                f"{target.name} is not the expected file (SHA-256): check the Maven mirror in use."
            )
        downloaded.replace(target)
    return target.stat().st_size


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
