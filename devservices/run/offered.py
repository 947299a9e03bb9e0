"""What a run can start besides, by name: `make run WITH=members`. Each is one entry in OFFERED."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from devservices.run.children import Children
from devservices.run.conduit_example import ConduitExample
from devservices.run.member_example import MemberExample
from devservices.run.registry_example import RegistryExample
from devservices.run.sales_example import SalesExample


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
class Part:
    """One process of a neighbour, `python -m <words>`; `ready` is the variable of the port of its `/readyz`.

    Who `migrates` has tables, which `python -m <words> migrate` makes. An `engine` runs in `.venv-sales`.
    """

    name: str
    words: Sequence[str]
    ready: str = ""
    migrates: bool = True
    engine: bool = False


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One service besides: how it comes up, and what the pipeline is told of it.

    `ports` are its variables NAME_PORT with their defaults, beside which NAME_HOST may be set; the first one
    is the service's. `told` are variables that hold the address at a port. Without `parts` it is a server of
    the stack, which knows its address and waits for it. `settings` are told to every process, and `prepares`
    are commands for when all tables are in place. `keys` is a command that makes secret keys in a folder, its
    last word, and `key_files` are variables that hold the path of a file in it.
    """

    name: str
    example: Example
    parts: Sequence[Part] = ()
    page: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)
    groups: Sequence[str] = ()
    scope: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    prepares: Sequence[Sequence[str]] = ()
    keys: Sequence[str] = ()
    key_files: Mapping[str, str] = field(default_factory=dict)


MEMBERS = Neighbour(
    name="members",
    parts=[Part("members", ["services.members"], ready="MEMBERS_OPS_PORT")],
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
    parts=[
        Part("sales", ["services.sales"], ready="SALES_OPS_PORT"),
        Part("sales-stream", ["services.sales", "stream"], migrates=False, engine=True),
    ],
    page="/docs",
    ports={"SALES_PORT": 8020, "SALES_STREAM_PORT": 8022, "SALES_OPS_PORT": 8021},
    example=SalesExample(),
)
CONDUIT = Neighbour(
    name="conduit",
    parts=[
        Part("conduit-auth", ["conduit", "auth"], ready="CONDUIT_AUTH_OPS_PORT"),
        Part("conduit-profiles", ["conduit", "profiles"], ready="CONDUIT_PROFILES_OPS_PORT"),
        Part("conduit-articles", ["conduit", "articles"], ready="CONDUIT_ARTICLES_OPS_PORT"),
        Part("conduit-gateway", ["conduit", "gateway"], ready="CONDUIT_GATEWAY_OPS_PORT", migrates=False),
    ],
    page="/api/articles",
    ports={
        "CONDUIT_GATEWAY_PORT": 8030,
        "CONDUIT_GATEWAY_OPS_PORT": 8031,
        "CONDUIT_AUTH_OPS_PORT": 8032,
        "CONDUIT_ARTICLES_OPS_PORT": 8033,
        "CONDUIT_PROFILES_OPS_PORT": 8034,
    },
    # Whoever develops a front end looks what the schema of the queries has.
    settings={"CONDUIT_GATEWAY_INTROSPECTION": "true"},
    keys=["conduit", "auth", "keys"],
    key_files={"CONDUIT_AUTH_KEYS_FILE": "auth.json", "CONDUIT_GATEWAY_KEYS_FILE": "gateway.json"},
    example=ConduitExample(),
)
OFFERED = {each.name: each for each in (MEMBERS, SALES, CONDUIT, REGISTRY)}
