"""What a run starts besides, by name."""

from pathlib import Path

import pytest

from devservices.environment import PortNameError
from devservices.errors import PortTakenError
from devservices.instance import Instance
from devservices.run import neighbours
from devservices.run.configuration import RunPorts, require_free_ports
from devservices.run.neighbours import Neighbours, UnknownNeighbourError

INSTANCE = Instance("elsewhere")


def test_a_run_alone_tells_nobody_of_neighbours() -> None:
    """No port, no group, no variable."""
    alone = Neighbours([], {"MEMBERS_PORT": "x"}, INSTANCE)
    assert (alone.environment, alone.groups, alone.scopes, alone.ready_urls()) == ({}, [], [], {})
    assert (alone.addresses(), alone.commands("")) == ({}, [])


def test_a_neighbour_is_told_of_where_it_listens() -> None:
    """On the ports of the environment; an address that the caller has set stands."""
    members = Neighbours(["members", "members"], {"MEMBERS_PORT": "9010"}, INSTANCE)
    assert members.environment == {
        "MEMBERS_PORT": "9010",
        "MEMBERS_OPS_PORT": "8011",
        "MEMBER_API_URL": "http://127.0.0.1:9010",
    }
    assert members.ready_urls() == {"members": "http://127.0.0.1:8011"}
    assert (members.groups, members.scopes) == (["item-members"], ["--scope", "members:write"])
    assert members.addresses() == {"members": "http://127.0.0.1:9010/docs"}
    (_, put, look, _) = members.commands("http://127.0.0.1:8000")
    assert put.startswith('  curl -i -X PUT -H "$TOKEN"')
    assert put.endswith("http://127.0.0.1:9010/users/m-1")
    assert look == "  curl http://127.0.0.1:8000/products/p-1"
    on_a_host = Neighbours(["members"], {"MEMBERS_HOST": "::1", "MEMBERS_OPS_HOST": "0.0.0.0"}, INSTANCE)
    assert on_a_host.environment["MEMBER_API_URL"] == "http://[::1]:8010"
    assert on_a_host.ready_urls() == {"members": "http://127.0.0.1:8011"}
    elsewhere = Neighbours(["members"], {"MEMBER_API_URL": "https://members.example"}, INSTANCE)
    assert elsewhere.environment["MEMBER_API_URL"] == "https://members.example"


def test_the_sales_are_two_roles_and_one_of_them_needs_its_own_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it the run says at once how it is made."""
    python = tmp_path / "python"
    monkeypatch.setattr(neighbours, "ENGINE_PYTHON", python)
    with pytest.raises(neighbours.EngineMissingError, match="make run WITH=sales"):
        Neighbours(["sales"], {}, INSTANCE)
    python.touch()
    sales = Neighbours(["sales"], {"SALES_PORT": "9020"}, INSTANCE)
    ports = {"SALES_PORT": "9020", "SALES_STREAM_PORT": "8022", "SALES_OPS_PORT": "8021"}
    assert sales.environment == ports
    assert [(part.name, [*part.words], part.migrates, part.engine) for part in sales.parts] == [
        ("sales", ["services.sales"], True, False),
        ("sales-stream", ["services.sales", "stream"], False, True),
    ]
    assert sales.ready_urls() == {"sales": "http://127.0.0.1:8021"}
    assert (sales.groups, sales.scopes) == ([], [])
    assert sales.commands("")[1] == "  curl http://127.0.0.1:9020/sales"


def test_conduit_is_four_processes_that_share_keys_made_once(tmp_path: Path) -> None:
    """Each is waited for; the keys lie with the instance, unless the caller has keys."""
    instance = Instance("here", tmp_path)
    conduit = Neighbours(["conduit"], {"CONDUIT_GATEWAY_PORT": "9030"}, instance)
    assert [[*part.words] for part in conduit.parts if part.migrates] == [
        ["conduit", "auth"],
        ["conduit", "profiles"],
        ["conduit", "articles"],
    ]
    assert conduit.ready_urls() == {
        "conduit-auth": "http://127.0.0.1:8032",
        "conduit-profiles": "http://127.0.0.1:8034",
        "conduit-articles": "http://127.0.0.1:8033",
        "conduit-gateway": "http://127.0.0.1:8031",
    }
    keys = tmp_path / "here" / "conduit-keys"
    assert conduit.environment["CONDUIT_AUTH_KEYS_FILE"] == str(keys / "auth.json")
    assert conduit.environment["CONDUIT_GATEWAY_KEYS_FILE"] == str(keys / "gateway.json")
    assert conduit.environment["CONDUIT_GATEWAY_INTROSPECTION"] == "true"
    assert conduit.keys_to_make == {keys: ["conduit", "auth", "keys"]}
    keys.mkdir(parents=True)
    assert conduit.keys_to_make == {}
    assert conduit.addresses() == {"conduit": "http://127.0.0.1:9030/api/articles"}
    (_, register, look, query, _) = conduit.commands("")
    assert register.endswith("http://127.0.0.1:9030/api/users")
    assert look == "  curl http://127.0.0.1:9030/api/articles"
    assert query.endswith("http://127.0.0.1:9030/graphql")
    own = Neighbours(["conduit"], {"CONDUIT_AUTH_KEYS_FILE": "/keys/a.json"}, instance)
    assert own.environment["CONDUIT_AUTH_KEYS_FILE"] == "/keys/a.json"


def test_what_is_not_offered_or_no_port_is_refused_at_once() -> None:
    """With the names that there are."""
    with pytest.raises(UnknownNeighbourError, match=r"WITH=conduct .* is members, sales, conduit, registry"):
        Neighbours(["conduct", "members"], {}, INSTANCE)
    with pytest.raises(PortNameError, match="MEMBERS_PORT"):
        Neighbours(["members"], {"MEMBERS_PORT": "x"}, INSTANCE)


def test_its_ports_must_differ_from_the_others() -> None:
    """Each is named."""
    with pytest.raises(PortTakenError, match="MEMBERS_PORT must differ"):
        require_free_ports(RunPorts(1, 2, 3, 4), own_platform=False, besides={"MEMBERS_PORT": 2})


def test_the_registry_is_a_server_that_says_where_it_is() -> None:
    """No port of its own to choose, no process of the run, no right of a token."""
    both = Neighbours(["registry", "members"], {}, INSTANCE)
    assert (both.servers, [part.name for part in both.parts]) == (["registry"], ["members"])
    alone = Neighbours(["registry"], {}, INSTANCE)
    assert (alone.ports, alone.groups, alone.scopes) == ({}, [], [])
    assert alone.environment == {"EVENT_FORMAT": "avro"}
    assert Neighbours(["registry"], {"EVENT_FORMAT": "json"}, INSTANCE).environment == {
        "EVENT_FORMAT": "json"
    }
    assert alone.prepares == [("contracts", "schemas", "register")]
    assert alone.ready_urls() == {}
    alone.found("registry", "http://127.0.0.1:20001/apis/ccompat/v7")
    assert alone.addresses() == {"registry": "http://127.0.0.1:20001/apis/ccompat/v7/subjects"}
    (_, register, look, _) = alone.commands("")
    assert register.endswith("http://127.0.0.1:20001/apis/ccompat/v7/subjects/shop.example.Greeting/versions")
    assert look == "  curl http://127.0.0.1:20001/apis/ccompat/v7/subjects"
