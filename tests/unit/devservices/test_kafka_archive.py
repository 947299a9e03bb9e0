"""The archive of Kafka's classes is made once, for these jars and this runtime, and never needed."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devservices import kafka_archive
from devservices.kafka_files import KAFKA_VERSION, expected_hashes


@dataclass
class Trainee:
    """A broker whose runtime writes this when it ends."""

    file: Path
    writes: bytes | None = b"classes"
    calls: list[str] = field(default_factory=list)

    def start(self, within_seconds: float = 0.0) -> bool:
        self.calls.append("start")
        return True

    def stop(self, within_seconds: float = 0.0) -> None:
        self.calls.append("stop")
        if self.writes is not None:
            kafka_archive.draft_of(self.file).write_bytes(self.writes)

    def delete(self) -> None:
        self.calls.append("delete")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache with jars in it."""
    jars = tmp_path / "cache" / f"kafka-{KAFKA_VERSION}"
    jars.mkdir(parents=True)
    for name in expected_hashes():
        (jars / name).write_bytes(b"jar")
        os.utime(jars / name, (1, 1))
    return jars.parent


def made(cache: Path) -> Path:
    """The place of the archive, which there must be."""
    file = kafka_archive.archive_file(cache)
    assert file is not None
    return file


def test_it_is_made_once_and_used_from_then_on(cache: Path) -> None:
    """By a path that begins where the broker works; the broker that made it leaves nothing."""
    file, directory = made(cache), cache.parent / "dev" / "kafka"
    assert kafka_archive.using(cache, directory) == []
    trainee = Trainee(file)
    kafka_archive.make(file, trainee)
    kafka_archive.make(file, trainee)
    assert trainee.calls == ["start", "stop", "delete"]
    assert kafka_archive.using(cache, directory)[-1] == f"-XX:AOTCache=../../cache/{file.name}"
    assert file.read_bytes() == b"classes"


@pytest.mark.parametrize("writes", [None, b""])
def test_a_runtime_that_makes_none_is_asked_once_and_goes_on_without(
    cache: Path, writes: bytes | None
) -> None:
    file = made(cache)
    trainee = Trainee(file, writes)
    kafka_archive.make(file, trainee)
    kafka_archive.make(file, trainee)
    assert trainee.calls == ["start", "stop", "delete"]
    assert kafka_archive.using(cache, cache.parent / "dev") == []


def test_what_an_interrupted_attempt_left_is_not_used(cache: Path) -> None:
    file = made(cache)
    kafka_archive.draft_of(file).write_bytes(b"half")
    assert kafka_archive.using(cache, cache.parent / "dev") == []
    kafka_archive.make(file, Trainee(file, None))
    assert kafka_archive.using(cache, cache.parent / "dev") == []


def test_other_jars_another_runtime_and_other_options_have_an_archive_of_their_own(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runtime would refuse the former one; it is deleted when its successor is made."""
    first = made(cache)
    kafka_archive.make(first, Trainee(first))
    os.utime(cache / f"kafka-{KAFKA_VERSION}" / next(iter(expected_hashes())), (1, 3))
    second = made(cache)
    monkeypatch.setattr(kafka_archive, "JVM_OPTIONS", ("-Xmx1g",))
    third = made(cache)
    monkeypatch.setattr(kafka_archive, "version", lambda _: "26")
    assert len({first, second, third, made(cache)}) == 4
    kafka_archive.make(made(cache), Trainee(made(cache)))
    assert sorted(cache.glob("*.aot")) == [made(cache)]


def test_without_jars_there_is_none(tmp_path: Path) -> None:
    """Nothing is downloaded for it."""
    assert kafka_archive.archive_file(tmp_path) is None
    assert kafka_archive.using(tmp_path, tmp_path) == []
