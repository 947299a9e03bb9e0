"""The registry's files are used only if they are as expected, and a download goes on where it broke off."""

import hashlib
import io
import random
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from devservices import registry_download, registry_files
from devservices.maven import WrongFileError

CONTENTS = {"quarkus-run.jar": b"program", "lib/main/one.jar": random.Random(1).randbytes(500_000)}  # noqa: S311


def archive_of(contents: dict[str, bytes]) -> bytes:
    """As Maven has it."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as packed:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    return whole.getvalue()


ARCHIVE = archive_of(CONTENTS)


class Repository(ThreadingHTTPServer):
    """Serves one file; breaks off after so many bytes as often as it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = ARCHIVE
        self.knows_ranges = True
        self.breaks_off = 0
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        """Of the file."""
        return f"http://127.0.0.1:{self.server_port}/archive.tar.gz"


class _Handler(BaseHTTPRequestHandler):
    server: Repository

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "") if self.server.knows_ranges else ""
        self.server.asked.append(f"{self.path} {wanted}".strip())
        begin = int(wanted.removeprefix("bytes=").removesuffix("-") or 0)
        if self.path != "/archive.tar.gz" or (wanted and begin >= len(self.server.content)):
            self.send_error(416 if wanted else 404)
            return
        body = self.server.content[begin:]
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.breaks_off:
            self.server.breaks_off -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def repository() -> Iterator[Repository]:
    """On a free port."""
    with Repository() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where it goes."""
    return tmp_path / "archive.tar.gz"


def test_a_download_that_breaks_off_goes_on_from_there(repository: Repository, target: Path) -> None:
    """However often, as long as it comes nearer to its end."""
    repository.breaks_off = 3
    registry_download.download([repository.url], target)
    assert target.read_bytes() == ARCHIVE
    begins = [int(each.partition("=")[2].rstrip("-")) for each in repository.asked[1:]]
    assert begins == sorted(set(begins))
    assert begins[0] > 0


def test_what_another_command_had_begun_is_gone_on_with(repository: Repository, target: Path) -> None:
    """Ctrl-C costs nothing of it; and what is whole already is not fetched."""
    target.write_bytes(ARCHIVE[:100])
    for _ in range(2):
        registry_download.download([repository.url], target)
        assert target.read_bytes() == ARCHIVE
    assert repository.asked == [f"/archive.tar.gz bytes={at}-" for at in (100, len(ARCHIVE))]


def test_a_server_that_knows_no_ranges_begins_anew(repository: Repository, target: Path) -> None:
    """Its answer says so."""
    repository.knows_ranges = False
    target.write_bytes(b"another begin")
    registry_download.download([repository.url], target)
    assert target.read_bytes() == ARCHIVE


def test_the_next_repository_is_asked_for_what_the_first_one_lacks(
    repository: Repository, target: Path
) -> None:
    """And none of them is an error that says so."""
    lacking = f"http://127.0.0.1:{repository.server_port}/elsewhere"
    registry_download.download([lacking, repository.url], target)
    assert target.read_bytes() == ARCHIVE
    target.unlink()
    with pytest.raises(FileNotFoundError, match="no repository has"):
        registry_download.download([lacking], target)


def test_a_download_that_breaks_off_again_and_again_is_given_up(repository: Repository, target: Path) -> None:
    """What came is kept for the next command."""
    repository.breaks_off = 100
    with pytest.raises(OSError, match="onnection broken"):
        registry_download.download([repository.url], target)
    assert len(repository.asked) == registry_download.TRIES
    assert target.read_bytes() == ARCHIVE[: target.stat().st_size]
    assert target.stat().st_size > 0


@pytest.fixture
def expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The digest of what the archive of these tests holds."""
    for name, content in CONTENTS.items():
        path = tmp_path / "expected" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    digest = registry_files.digest_of(tmp_path / "expected")
    for module in (registry_files, registry_download):
        monkeypatch.setattr(module, "FILES_SHA256", digest)
    monkeypatch.setattr(registry_download, "ARCHIVE_SHA512", hashlib.sha512(ARCHIVE).hexdigest())
    return digest


@pytest.fixture
def fetched(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A repository at this address alone; what it was asked for."""
    monkeypatch.setattr(registry_download, "addresses", lambda artifact: [repository.url])
    return repository.asked


@pytest.mark.usefixtures("expected")
def test_an_archive_that_is_another_is_fetched_once_more_and_then_refused(
    repository: Repository, target: Path, fetched: list[str]
) -> None:
    """Nothing of it is left, or unpacked."""
    repository.content = archive_of({"quarkus-run.jar": b"another program"})
    with pytest.raises(WrongFileError, match="not the expected one"):
        registry_download.fetch(target)
    assert len(fetched) == 2
    assert not target.exists()


@pytest.mark.usefixtures("expected")
def test_a_begin_of_another_file_does_not_spoil_the_archive(target: Path, fetched: list[str]) -> None:
    """What was gone on with is thrown away when it does not fit."""
    target.write_bytes(b"x" * 100)
    registry_download.fetch(target)
    assert target.read_bytes() == ARCHIVE
    assert fetched == ["/archive.tar.gz bytes=100-", "/archive.tar.gz"]


def spoil_nothing(directory: Path) -> None:
    """As it was unpacked."""


def cut_off(directory: Path) -> None:
    """As a full disk leaves it."""
    (directory / "lib" / "main" / "one.jar").write_bytes(b"libr")


def take_away(directory: Path) -> None:
    """As a cleaner leaves it."""
    (directory / "quarkus-run.jar").unlink()


def add(directory: Path) -> None:
    """A file that would be loaded too."""
    (directory / "lib" / "main" / "two.jar").write_bytes(b"")


@pytest.mark.parametrize(("spoil", "downloads"), [(spoil_nothing, 1), (cut_off, 2), (take_away, 2), (add, 2)])
@pytest.mark.usefixtures("expected", "fetched")
def test_files_that_have_changed_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None], downloads: int
) -> None:
    """Those that are as expected are used as they are, without the archive."""
    done: list[Path] = []

    def download(directory: Path) -> None:
        done.append(directory)
        assert registry_download.main(directory) == 0

    monkeypatch.setattr(registry_files, "_download", download)
    cache = tmp_path / "cache"
    program = registry_files.program(cache)
    spoil(program.parent)
    assert registry_files.program(cache) == program
    assert program.read_bytes() == b"program"
    assert len(done) == downloads
    assert [path.name for path in cache.iterdir()] == [program.parent.name]
