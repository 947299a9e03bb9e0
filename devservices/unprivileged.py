"""PostgreSQL refuses to run as root: which user it runs as, and where that user can reach its files."""

import hashlib
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

PUBLIC_HOME = Path("/var/lib/order-pipeline-devservices")


@dataclass(frozen=True, slots=True)
class Account:
    """The user a server runs as; None means the user of the calling process."""

    name: str | None
    uid: int
    gid: int


def server_account() -> Account:
    """`nobody` for root, the caller itself for everyone else."""
    if os.geteuid() != 0:
        return Account(None, os.geteuid(), os.getegid())
    nobody = pwd.getpwnam("nobody")
    return Account("nobody", nobody.pw_uid, nobody.pw_gid)


def reachable(directory: Path, account: Account) -> Path:
    """`directory` itself when the account can enter it, otherwise a place of its own below /var/lib.

    The other place is derived from the directory's path, so the same directory always finds it again.
    """
    if account.name is None or _open_to_others(directory):
        return directory
    digest = hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:16]
    return PUBLIC_HOME / f"{directory.name}-{digest}"


def make_directory(directory: Path) -> None:
    """Create a directory that every user may enter (what lies in it has rights of its own)."""
    if not directory.exists():
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)
        for parent in directory.parents:
            if parent == PUBLIC_HOME:
                parent.chmod(0o755)


def _open_to_others(directory: Path) -> bool:
    existing = [parent for parent in directory.resolve().parents if parent.exists()]
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in existing)
