"""Where an instance of the development services keeps its state."""

import re
from dataclasses import dataclass
from pathlib import Path

from devservices.errors import DevServicesError

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".devservices"
CACHE = HOME / "cache"
NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,40}")
RESERVED = frozenset({"cache", "locks"})


class InstanceNameError(DevServicesError):
    """The name cannot be the name of a folder."""

    code = "instance_name_invalid"


@dataclass(frozen=True, slots=True)
class Instance:
    """One set of servers with data of its own; instances stand beside each other."""

    name: str = "dev"
    home: Path = HOME

    def __post_init__(self) -> None:
        if not NAME_PATTERN.fullmatch(self.name) or self.name in RESERVED:
            raise InstanceNameError(
                f"{self.name!r} is no name for an instance: use up to 40 of a-z, 0-9, '.', '_' and '-'."
            )

    @property
    def directory(self) -> Path:
        """All state of this instance, servers' data included."""
        return self.home / self.name

    @property
    def logs(self) -> Path:
        """Log files of the processes that `run` starts."""
        return self.directory / "logs"

    @property
    def lock(self) -> Path:
        """Lock file; it lies outside of the directory, since reset deletes that."""
        return self.home / "locks" / f"{self.name}.lock"
