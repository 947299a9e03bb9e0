"""What a run starts besides the pipeline, by name: `make run WITH=members`. Each is one entry in OFFERED."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from devservices.environment import port_from, reachable
from devservices.errors import DevServicesError
from devservices.instance import ROOT
from devservices.run.children import Children
from devservices.run.member_example import MemberExample
from devservices.run.registry_example import RegistryExample
from devservices.run.sales_example import SalesExample


class UnknownNeighbourError(DevServicesError):
    """WITH names something that there is not."""

    code = "unknown_neighbour"


class EngineMissingError(DevServicesError):
    """The environment of a neighbour's engine has not been made."""

    code = "engine_missing"


class Example(Protocol):
    """What a neighbour is there for, shown once; `url` is its own address, `api` the shop's."""

    def introduce(self, url: str, api: str, token: str, children: Children) -> list[str]:
        """Let it do its work with a development token; lines for the terminal.

        Raises:
            JourneyError: it did not work.
        """
        ...

    def commands(self, url: str, api: str) -> list[str]:
        """Lines for the terminal: a sentence, and commands to try it by hand; $TOKEN is set there."""
        ...


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One service besides: how it comes up, and what the pipeline is told of it.

    `ports` are its variables NAME_PORT with their defaults, beside which NAME_HOST may be set; the first one
    is the service's, the last one answers `/readyz`. `told` are variables that hold the address at a port.
    Without a `module` it is a server of the stack, which knows its address and waits for it. `engines` are
    further processes of the module, by name: their arguments; they run in `.venv-sales`. `settings` are told
    to every process, and `prepares` are commands for when all tables are in place.
    """

    name: str
    example: Example
    module: str = ""
    page: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)
    groups: Sequence[str] = ()
    scope: str = ""
    engines: Mapping[str, Sequence[str]] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    prepares: Sequence[Sequence[str]] = ()


MEMBERS = Neighbour(
    name="members",
    module="services.members",
    page="/docs",
    ports={"MEMBERS_PORT": 8010, "MEMBERS_OPS_PORT": 8011},
    told={"MEMBER_API_URL": "MEMBERS_PORT"},
    groups=["item-members"],
    scope="members:write",
    example=MemberExample(),
)
REGISTRY = Neighbour(
    name="registry",
    page="/subjects",
    settings={"EVENT_FORMAT": "avro"},
    prepares=[("contracts", "schemas", "register")],
    example=RegistryExample(),
)
SALES = Neighbour(
    name="sales",
    module="services.sales",
    page="/docs",
    ports={"SALES_PORT": 8020, "SALES_STREAM_PORT": 8022, "SALES_OPS_PORT": 8021},
    engines={"sales-stream": ["stream"]},
    example=SalesExample(),
)
OFFERED = {each.name: each for each in (MEMBERS, SALES, REGISTRY)}
ENGINE_PYTHON = ROOT / ".venv-sales" / "bin" / "python"


class Neighbours:
    """Those that one run starts."""

    def __init__(self, names: Sequence[str], environ: Mapping[str, str]) -> None:
        """Raises UnknownNeighbourError: none is offered under one of these names."""
        if unknown := sorted(set(names) - OFFERED.keys()):
            offered = ", ".join(OFFERED)
            raise UnknownNeighbourError(f"WITH={','.join(unknown)} is not known: there is {offered}.")
        self.chosen = [OFFERED[name] for name in dict.fromkeys(names)]
        if any(each.engines for each in self.chosen) and not ENGINE_PYTHON.exists():
            raise EngineMissingError(
                "The stream of the sales has an environment of its own: `make run WITH=sales` makes it."
            )
        self.ports = {
            name: port_from(environ, name, default)
            for each in self.chosen
            for name, default in each.ports.items()
        }
        self._environ = environ
        self._servers: dict[str, str] = {}

    def found(self, name: str, url: str) -> None:
        """Where a server of the stack is, as soon as that is known."""
        self._servers[name] = url

    @property
    def processes(self) -> list[Neighbour]:
        """Those that are processes of the run."""
        return [each for each in self.chosen if each.module]

    @property
    def servers(self) -> list[str]:
        """Names of those that are servers of the stack."""
        return [each.name for each in self.chosen if not each.module]

    @property
    def environment(self) -> dict[str, str]:
        """What every process is told besides; what the caller has set stands."""
        told = {name: self._url(port) for each in self.chosen for name, port in each.told.items()}
        told |= {name: value for each in self.chosen for name, value in each.settings.items()}
        given = {name: self._environ[name] for name in told if self._environ.get(name)}
        return {name: str(port) for name, port in self.ports.items()} | told | given

    @property
    def prepares(self) -> list[Sequence[str]]:
        """Commands for when all tables are in place."""
        return [command for each in self.chosen for command in each.prepares]

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
        """Where each says whether it is ready."""
        return {each.name: self._url(list(each.ports)[-1]) for each in self.processes}

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

    def _url(self, port: str) -> str:
        return reachable(self._environ, port.replace("_PORT", "_HOST"), self.ports[port])
