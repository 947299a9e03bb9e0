"""The neighbours of one run: their ports, what every process is told of them, and how they are shown."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from devservices.environment import port_from, reachable
from devservices.errors import DevServicesError
from devservices.instance import ROOT, Instance
from devservices.run.children import Children
from devservices.run.offered import OFFERED, Neighbour, Part


class UnknownNeighbourError(DevServicesError):
    """WITH names something that there is not."""

    code = "unknown_neighbour"


class EngineMissingError(DevServicesError):
    """The environment of a neighbour's engine has not been made."""

    code = "engine_missing"


ENGINE_PYTHON = ROOT / ".venv-sales" / "bin" / "python"


class Neighbours:
    """Those that one run starts."""

    def __init__(self, names: Sequence[str], environ: Mapping[str, str], instance: Instance) -> None:
        """Raises UnknownNeighbourError: none is offered under one of these names."""
        if unknown := sorted(set(names) - OFFERED.keys()):
            offered = ", ".join(OFFERED)
            raise UnknownNeighbourError(f"WITH={','.join(unknown)} is not known: there is {offered}.")
        self.chosen = [OFFERED[name] for name in dict.fromkeys(names)]
        if any(part.engine for part in self.parts) and not ENGINE_PYTHON.exists():
            raise EngineMissingError(
                "The stream of the sales has an environment of its own: `make run WITH=sales` makes it."
            )
        self.ports = {
            name: port_from(environ, name, default)
            for each in self.chosen
            for name, default in each.ports.items()
        }
        self._environ = environ
        self._instance = instance
        self._servers: dict[str, str] = {}

    def found(self, name: str, url: str) -> None:
        """Where a server of the stack is, as soon as that is known."""
        self._servers[name] = url

    @property
    def parts(self) -> list[Part]:
        """Processes of the run, in the order of their start."""
        return [part for each in self.chosen for part in each.parts]

    @property
    def servers(self) -> list[str]:
        """Names of those that are servers of the stack."""
        return [each.name for each in self.chosen if not each.parts]

    @property
    def environment(self) -> dict[str, str]:
        """What every process is told besides; what the caller has set stands."""
        told = {name: self._url(port) for each in self.chosen for name, port in each.told.items()}
        told |= {name: value for each in self.chosen for name, value in each.settings.items()}
        told |= {
            name: str(self._keys(each) / file)
            for each in self.chosen
            for name, file in each.key_files.items()
        }
        given = {name: self._environ[name] for name in told if self._environ.get(name)}
        return {name: str(port) for name, port in self.ports.items()} | told | given

    @property
    def prepares(self) -> list[Sequence[str]]:
        """Commands for when all tables are in place."""
        return [command for each in self.chosen for command in each.prepares]

    @property
    def keys_to_make(self) -> dict[Path, Sequence[str]]:
        """Folders of keys that are not there yet, and what makes them in the folder it is given."""
        wanted = {self._keys(each): each.keys for each in self.chosen if each.keys}
        return {folder: command for folder, command in wanted.items() if not folder.exists()}

    @property
    def scopes(self) -> list[str]:
        """Options of `token`: what its owner may do there."""
        scopes = [each.scope for each in self.chosen if each.scope]
        return ["--scope", " ".join(scopes)] if scopes else []

    @property
    def groups(self) -> list[str]:
        """Consumer groups that the worker runs besides."""
        return [group for each in self.chosen for group in each.groups]

    def ready_urls(self) -> dict[str, str]:
        """Where each process says whether it is ready."""
        return {part.name: self._url(part.ready) for part in self.parts if part.ready}

    def addresses(self) -> dict[str, str]:
        """What to open of each."""
        return {each.name: self._own(each) + each.page for each in self.chosen}

    def commands(self, api: str) -> list[str]:
        """Lines for the terminal: how to try each of them by hand."""
        return [line for each in self.chosen for line in (*each.example.commands(self._own(each), api), "")]

    def introduce(self, api: str, token: str, children: Children) -> list[str]:
        """Let each do what it is there for, once; lines for the terminal.

        Raises:
            JourneyError: it did not work.
        """
        return [
            line
            for each in self.chosen
            for line in each.example.introduce(self._own(each), api, token, children)
        ]

    def _own(self, neighbour: Neighbour) -> str:
        return self._servers.get(neighbour.name) or self._url(next(iter(neighbour.ports)))

    def _keys(self, neighbour: Neighbour) -> Path:
        return self._instance.directory / f"{neighbour.name}-keys"

    def _url(self, port: str) -> str:
        return reachable(self._environ, port.replace("_PORT", "_HOST"), self.ports[port])
