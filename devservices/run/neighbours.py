"""What a run starts besides the pipeline, by name: `make run WITH=members`. Each is one entry in OFFERED."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from devservices.environment import port_from, reachable
from devservices.errors import DevServicesError
from devservices.run.children import Children
from devservices.run.member_example import MemberExample


class UnknownNeighbourError(DevServicesError):
    """WITH names something that there is not."""

    code = "unknown_neighbour"


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
    """

    name: str
    module: str
    ports: Mapping[str, int]
    told: Mapping[str, str]
    groups: Sequence[str]
    scope: str
    example: Example


MEMBERS = Neighbour(
    name="members",
    module="services.members",
    ports={"MEMBERS_PORT": 8010, "MEMBERS_OPS_PORT": 8011},
    told={"MEMBER_API_URL": "MEMBERS_PORT"},
    groups=["item-members"],
    scope="members:write",
    example=MemberExample(),
)
OFFERED = {each.name: each for each in (MEMBERS,)}


class Neighbours:
    """Those that one run starts."""

    def __init__(self, names: Sequence[str], environ: Mapping[str, str]) -> None:
        """Raises UnknownNeighbourError: none is offered under one of these names."""
        if unknown := sorted(set(names) - OFFERED.keys()):
            offered = ", ".join(OFFERED)
            raise UnknownNeighbourError(f"WITH={','.join(unknown)} is not known: there is {offered}.")
        self.chosen = [OFFERED[name] for name in dict.fromkeys(names)]
        self.ports = {
            name: port_from(environ, name, default)
            for each in self.chosen
            for name, default in each.ports.items()
        }
        self._environ = environ

    @property
    def environment(self) -> dict[str, str]:
        """What every process is told besides; what the caller has set stands."""
        told = {name: self._url(port) for each in self.chosen for name, port in each.told.items()}
        given = {name: self._environ[name] for name in told if self._environ.get(name)}
        return {name: str(port) for name, port in self.ports.items()} | told | given

    @property
    def scopes(self) -> list[str]:
        """Options of `token`: what its owner may do there."""
        return ["--scope", " ".join(each.scope for each in self.chosen)] if self.chosen else []

    @property
    def groups(self) -> list[str]:
        """Consumer groups that the worker runs besides."""
        return [group for each in self.chosen for group in each.groups]

    def ready_urls(self) -> dict[str, str]:
        """Where each says whether it is ready."""
        return {each.name: self._url(list(each.ports)[-1]) for each in self.chosen}

    def addresses(self) -> dict[str, str]:
        """What to open of each."""
        return {each.name: f"{self._own(each)}/docs" for each in self.chosen}

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
        return self._url(next(iter(neighbour.ports)))

    def _url(self, port: str) -> str:
        return reachable(self._environ, port.replace("_PORT", "_HOST"), self.ports[port])
