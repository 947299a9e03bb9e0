"""Fetches Apicurio Registry from a Maven repository (run as a process by `registry_files`)."""

import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from jgo.maven import Artifact
from jgo.util import http

from devservices.maven import TIMEOUT_SECONDS, WrongFileError, failure, maven_context, say
from devservices.registry_files import ARCHIVE_SHA512, FILES_SHA256, VERSION, digest_of, file_digest

REGISTRY = ("io.apicurio", "apicurio-registry-app", VERSION)
TRIES = 5
_CHUNK_BYTES = 65_536
_TOLD_EVERY_BYTES = 20_000_000


def main(directory: Path) -> int:
    """Make `directory` the unpacked archive; 0 when it is, else 1 after one sentence on stderr."""
    try:
        archive = directory.with_name(f"{directory.name}.tar.gz")
        fetch(archive)
        unpack(archive, directory)
    except WrongFileError as error:
        say(str(error))
    except (OSError, RuntimeError, ValueError, tarfile.TarError) as error:
        say(failure("The registry", error))
    except KeyboardInterrupt:
        say("The download was interrupted; it goes on from there the next time.")
    else:
        return 0
    return 1


def fetch(archive: Path) -> None:
    """Download the archive, or what is missing of it, and check it.

    Raises:
        WrongFileError: what came, from its first byte on, is another file.
    """
    say(f"Apicurio Registry {VERSION}: downloading 159 MB (first time only) ...")
    archive.parent.mkdir(parents=True, exist_ok=True)
    context = maven_context(archive.parent)
    group, name, version = REGISTRY
    component = context.project(group, name).at_version(version)
    artifact = component.artifact(classifier="all", packaging="tar.gz")
    for _ in range(2):
        download(addresses(artifact), archive)
        if file_digest(archive, "sha512") == ARCHIVE_SHA512:
            return
        # Gone on with from another file, or changed on the way: once more from the start.
        archive.unlink()
    raise WrongFileError("The registry's archive is not the expected one (SHA-512): check the Maven mirror.")


def addresses(artifact: Artifact) -> list[str]:
    """Where it lies in each repository that is asked."""
    place = f"{artifact.component.path_prefix.as_posix()}/{artifact.filename}"
    return [f"{repository}/{place}" for repository in artifact.context.remote_repos.values()]


def download(urls: list[str], target: Path) -> None:
    """Fill `target` up to its end from the first address that has it; a broken connection is gone on with.

    Raises:
        OSError: it broke again and again, or no address has it.
    """
    for left in reversed(range(TRIES)):
        try:
            found = any(_fill(url, target) for url in urls)
        except OSError as error:
            if not left:
                raise
            say(f"  broken off ({type(error).__name__}), going on ...")
        else:
            if not found:
                raise FileNotFoundError(f"no repository has {target.name}")
            return


def _fill(url: str, target: Path) -> bool:
    """Whether this address has it, and all of it is in `target` then."""
    there = target.stat().st_size if target.exists() else 0
    wanted = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
    with http.get(url, headers=wanted, stream=True, timeout=TIMEOUT_SECONDS) as answer:
        if answer.status_code == 404:
            return False
        if there and answer.status_code == 416:
            return True  # nothing is missing
        answer.raise_for_status()
        goes_on = answer.status_code == 206
        with target.open("ab" if goes_on else "wb") as file:
            told = file.tell()
            for chunk in answer.iter_content(_CHUNK_BYTES):
                file.write(chunk)
                if file.tell() - told >= _TOLD_EVERY_BYTES:
                    told = file.tell()
                    say(f"  {told / 1e6:.0f} MB")
    return True


def unpack(archive: Path, directory: Path) -> None:
    """Unpack whole or not at all; the archive goes."""
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f"{directory.name}-") as place:
        half = Path(place) / "files"
        with tarfile.open(archive) as packed:
            # Its hash is known; without this Python 3.12 and 3.13 warn.
            packed.extraction_filter = getattr(tarfile, "data_filter", None)
            packed.extractall(half)
        if digest_of(half) != FILES_SHA256:
            raise WrongFileError("The registry's files are not as expected: free disk space, try again.")
        shutil.rmtree(directory, ignore_errors=True)
        half.rename(directory)
    archive.unlink()


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
