"""What any server of an instance is found by: the port and the process that its start has written down."""

from pathlib import Path

from devservices import state
from devservices.processes import ManagedProcess, from_state


class RecordedServer:
    """A server whose state lies in a file, so that several objects and processes may stand for it."""

    def __init__(self, state_path: Path) -> None:
        self._state_path = state_path

    @property
    def port(self) -> int | None:
        """The port that is, or was last, listened on."""
        return next(iter(state.load(self._state_path).get("ports", [])), None)

    @property
    def process(self) -> ManagedProcess | None:
        """The server's first process, when it runs."""
        found = from_state(state.load(self._state_path).get("process"))
        return found if found is not None and found.alive else None
