"""Kafka's jar files are used only if they are what they should be, also those that are there already."""

import hashlib
from pathlib import Path

import pytest

from devservices import kafka_files


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A list of two files, and whatever is fetched into a folder writes them as they should be."""
    contents = {"a.jar": b"a", "b.jar": b"b"}
    listed = tmp_path / "listed"
    listed.write_text("".join(f"{hashlib.sha256(c).hexdigest()}  {n}\n" for n, c in contents.items()))
    monkeypatch.setattr(kafka_files, "EXPECTED", listed)
    downloads: list[Path] = []

    def download(directory: Path) -> None:
        downloads.append(directory)
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (directory / name).write_bytes(content)

    monkeypatch.setattr(kafka_files, "_download", download)
    return downloads


def test_files_that_are_as_expected_are_used_as_they_are(tmp_path: Path, fetched: list[Path]) -> None:
    """Nothing is fetched twice."""
    first = kafka_files.class_path(tmp_path / "cache")
    assert kafka_files.class_path(tmp_path / "cache") == first
    assert len(fetched) == 1


@pytest.mark.parametrize("content", [b"", b"another program"])
def test_a_file_that_has_changed_is_not_used(tmp_path: Path, fetched: list[Path], content: bytes) -> None:
    """Cut off by a full disk, or changed by somebody: it is fetched again."""
    jar = kafka_files.class_path(tmp_path / "cache")[1]
    jar.write_bytes(content)
    kafka_files.class_path(tmp_path / "cache")
    assert jar.read_bytes() == b"b"
    assert len(fetched) == 2
