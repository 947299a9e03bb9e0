"""Wall clocks that jump: libfaketime before one process, if the machine has it; never the machine's clock."""

import os
from collections.abc import Mapping
from pathlib import Path

from chaos.disk import NotPossibleError

LIBRARY_NAME = "LIBFAKETIME"
_PLACES = (
    *Path("/usr/lib").glob("*/faketime/libfaketime.so.1"),
    *Path("/usr/lib64").glob("faketime/libfaketime.so.1"),
)
_TRUE_TIME = "+0"


class JumpingClocks:
    """One file per process that says how wrong its wall clock is. Monotonic clocks stay true."""

    def __init__(self, directory: Path, environ: Mapping[str, str] = os.environ) -> None:
        given = environ.get(LIBRARY_NAME)
        places = (Path(given),) if given else _PLACES
        self._library = next((place for place in places if place.is_file()), None)
        self._directory = directory

    def environment(self, name: str) -> dict[str, str]:
        """What a process needs in its environment to have such a clock; empty where there is none."""
        if self._library is None:
            return {}
        self._write(name, _TRUE_TIME)
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file(name)),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def jump(self, name: str, seconds: float) -> None:
        """From now on its wall clock is wrong by so much.

        Raises:
            NotPossibleError: libfaketime is not on this machine.
        """
        if self._library is None:
            raise NotPossibleError(
                f"libfaketime is not installed (apt-get install libfaketime, or name it in {LIBRARY_NAME})"
            )
        self._write(name, f"{seconds:+.0f}")

    def mend(self, name: str) -> None:
        """The true time again."""
        if self._library is not None:
            self._write(name, _TRUE_TIME)

    def _write(self, name: str, offset: str) -> None:
        draft = self._file(name).with_suffix(".new")
        draft.write_text(offset)
        draft.replace(self._file(name))

    def _file(self, name: str) -> Path:
        return self._directory / f"{name}.faketime"
