"""What a run starts besides, by name."""

from pathlib import Path

import pytest

from devservices.environment import PortNameError
from devservices.errors import PortTakenError
from devservices.run import neighbours
from devservices.run.configuration import RunPorts, require_free_ports
from devservices.run.neighbours import Neighbours, UnknownNeighbourError


def test_a_run_alone_tells_nobody_of_neighbours() -> None:
    """No port, no group, no variable."""
    alone = Neighbours([], {"MEMBERS_PORT": "x"})
    assert (alone.environment, alone.groups, alone.scopes, alone.ready_urls()) == ({}, [], [], {})
    assert (alone.addresses(), alone.commands("")) == ({}, [])


def test_a_neighbour_is_told_of_where_it_listens() -> None:
    """On the ports of the environment; an address that the caller has set stands."""
    members = Neighbours(["members", "members"], {"MEMBERS_PORT": "9010"})
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
    on_a_host = Neighbours(["members"], {"MEMBERS_HOST": "::1", "MEMBERS_OPS_HOST": "0.0.0.0"})
    assert on_a_host.environment["MEMBER_API_URL"] == "http://[::1]:8010"
    assert on_a_host.ready_urls() == {"members": "http://127.0.0.1:8011"}
    elsewhere = Neighbours(["members"], {"MEMBER_API_URL": "https://members.example"})
    assert elsewhere.environment["MEMBER_API_URL"] == "https://members.example"


def test_the_sales_are_two_roles_and_one_of_them_needs_its_own_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it the run says at once how it is made."""
    python = tmp_path / "python"
    monkeypatch.setattr(neighbours, "ENGINE_PYTHON", python)
    with pytest.raises(neighbours.EngineMissingError, match="make run WITH=sales"):
        Neighbours(["sales"], {})
    python.touch()
    sales = Neighbours(["sales"], {"SALES_PORT": "9020"})
    ports = {"SALES_PORT": "9020", "SALES_STREAM_PORT": "8022", "SALES_OPS_PORT": "8021"}
    assert sales.environment == ports
    assert [(each.module, dict(each.engines)) for each in sales.processes] == [
        ("services.sales", {"sales-stream": ["stream"]})
    ]
    assert sales.ready_urls() == {"sales": "http://127.0.0.1:8021"}
    assert (sales.groups, sales.scopes) == ([], [])
    assert sales.commands("")[1] == "  curl http://127.0.0.1:9020/sales"


def test_what_is_not_offered_or_no_port_is_refused_at_once() -> None:
    """With the names that there are."""
    with pytest.raises(UnknownNeighbourError, match=r"WITH=conduct .* is members, sales, registry"):
        Neighbours(["conduct", "members"], {})
    with pytest.raises(PortNameError, match="MEMBERS_PORT"):
        Neighbours(["members"], {"MEMBERS_PORT": "x"})


def test_its_ports_must_differ_from_the_others() -> None:
    """Each is named."""
    with pytest.raises(PortTakenError, match="MEMBERS_PORT must differ"):
        require_free_ports(RunPorts(1, 2, 3, 4), own_platform=False, besides={"MEMBERS_PORT": 2})


def test_the_registry_is_a_server_that_says_where_it_is() -> None:
    """No port of its own to choose, no process of the run, no right of a token."""
    both = Neighbours(["registry", "members"], {})
    assert (both.servers, [each.name for each in both.processes]) == (["registry"], ["members"])
    alone = Neighbours(["registry"], {})
    assert (alone.ports, alone.groups, alone.scopes) == ({}, [], [])
    assert alone.environment == {"EVENT_FORMAT": "avro"}
    assert Neighbours(["registry"], {"EVENT_FORMAT": "json"}).environment == {"EVENT_FORMAT": "json"}
    assert alone.prepares == [("contracts", "schemas", "register")]
    assert alone.ready_urls() == {}
    alone.found("registry", "http://127.0.0.1:20001/apis/ccompat/v7")
    assert alone.addresses() == {"registry": "http://127.0.0.1:20001/apis/ccompat/v7/subjects"}
    (_, register, look, _) = alone.commands("")
    assert register.endswith("http://127.0.0.1:20001/apis/ccompat/v7/subjects/shop.example.Greeting/versions")
    assert look == "  curl http://127.0.0.1:20001/apis/ccompat/v7/subjects"
