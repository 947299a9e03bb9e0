"""What a run starts besides the pipeline, by name: `make run WITH=members`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from devservices.environment import port_from, reachable
from devservices.errors import DevServicesError, JourneyError
from devservices.ports import LOOPBACK
from devservices.run.children import Children
from devservices.run.http import call

MEMBER, PRODUCT = "m-1", "p-1"
_NAMES = {"firstName": "Gildong", "lastName": "Hong"}
_SELLER_SECONDS = 30.0


class UnknownNeighbourError(DevServicesError):
    """WITH names something that there is not."""

    code = "unknown_neighbour"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One service besides: how it comes up, what the pipeline's processes are told of it, and an example.

    `ports` are its variables with their defaults, the first one is the service's, the last one answers
    `/readyz`; `told` may name them in braces.
    """

    name: str
    module: str
    ports: Mapping[str, int]
    told: Mapping[str, str]
    groups: Sequence[str]
    scope: str


MEMBERS = Neighbour(
    name="members",
    module="services.members",
    ports={"MEMBERS_PORT": 8010, "MEMBERS_OPS_PORT": 8011},
    told={"MEMBER_API_URL": f"http://{LOOPBACK}:{{MEMBERS_PORT}}"},
    groups=["item-members"],
    scope="members:write",
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
        told = {name: value.format(**self.ports) for each in self.chosen for name, value in each.told.items()}
        given = {name: self._environ[name] for name in told if self._environ.get(name)}
        return {name: str(port) for name, port in self.ports.items()} | told | given

    @property
    def scopes(self) -> list[str]:
        """Options of `token`: what its owner may do there."""
        return [word for each in self.chosen for word in ("--scope", each.scope)]

    @property
    def groups(self) -> list[str]:
        """Consumer groups that the worker runs besides."""
        return [group for each in self.chosen for group in each.groups]

    def ready_urls(self) -> dict[str, str]:
        """Where each says whether it is ready."""
        return {each.name: f"http://{LOOPBACK}:{self.ports[list(each.ports)[-1]]}" for each in self.chosen}

    def introduce(self, api: str, token: str, children: Children) -> list[str]:
        """Let each do what it is there for, once; lines for the terminal.

        Raises:
            JourneyError: it did not work.
        """
        if MEMBERS not in self.chosen:
            return []
        members = reachable(self._environ, "MEMBERS_HOST", self.ports["MEMBERS_PORT"])
        put = call("PUT", f"{members}/users/{MEMBER}", token=token, content=_NAMES)
        if put.status not in {200, 201}:
            raise JourneyError(f"The member {MEMBER} was not taken ({put.status}): {put.body}")
        looks = [f"  curl {members}/users/{MEMBER}", f"  curl {api}/products/{PRODUCT}"]
        if not _seller(api):
            return [f"Product {PRODUCT} has no seller: an earlier build has filled this shop.", *looks]
        if not children.wait_until(lambda: _is_copied(api), within_seconds=_SELLER_SECONDS):
            raise JourneyError(f"The shop's copy does not know {MEMBER}: read the worker's log.")
        seller = _seller(api)
        told = f"{seller['name']} (source {seller['source']}, as of {seller['asOf']})"
        return [f"The seller of product {PRODUCT} is {told}:", *looks]


def _is_copied(api: str) -> bool:
    return _seller(api).get("source") == "replica"


def _seller(api: str) -> Mapping[str, Any]:
    answer = call("GET", f"{api}/products/{PRODUCT}")
    return (answer.body.get("seller") if answer.status == 200 else None) or {}
