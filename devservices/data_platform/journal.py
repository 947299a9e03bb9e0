"""Arrivals in a file, one JSON line each, so that they outlive a restart of the receiver."""

import json
from pathlib import Path
from typing import IO, Any

from devservices.data_platform.arrivals import Arrival, Arrivals
from devservices.data_platform.events import OfferedEvent


class Journal:
    """Append-only; a line is with the operating system before its event is answered.

    It outlives SIGKILL of the receiver, not a power cut. Without a path nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def restore(self, arrivals: Arrivals) -> None:
        """Read what an earlier receiver took, and open the file for more; a torn last line is dropped."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        whole = self._path.read_text(encoding="utf-8").rpartition("\n")[0] if self._path.exists() else ""
        for line in whole.splitlines():
            values = json.loads(line)
            arrivals.take(_event(values), received_at=values["receivedAt"])
        self._file = self._path.open("r+" if self._path.exists() else "w", encoding="utf-8")
        self._file.seek(0)
        self._file.truncate(len(whole.encode()) + 1 if whole else 0)
        self._file.seek(0, 2)

    def append(self, arrival: Arrival) -> None:
        """Write one arrival."""
        if self._file is not None:
            line = json.dumps(arrival.as_json(), ensure_ascii=False, separators=(",", ":"))
            self._file.write(line + "\n")
            self._file.flush()

    def clear(self) -> None:
        """Begin anew."""
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _event(values: dict[str, Any]) -> OfferedEvent:
    body = json.dumps(values["event"], ensure_ascii=False, separators=(",", ":"))
    return OfferedEvent(values["eventId"], values["orderId"], values["seq"], values["traceparent"], body)
