"""Names of instances, and ports and addresses from the environment."""

import asyncio
from pathlib import Path

import pytest

from devservices.environment import PortNameError, port_from, reachable
from devservices.errors import ExternalDatabaseError
from devservices.instance import Instance, InstanceNameError
from devservices.ports import choose_free, is_free
from devservices.registry import settings
from devservices.run.configuration import has_own_platform, run_ports, shared_environment
from devservices.stack import Addresses, Stack
from devservices.state import save
from devservices.status import describe


@pytest.mark.parametrize("name", ["", "..", "a/b", "cache", "locks", "A", "-x", "x" * 42])
def test_a_name_that_is_no_folder_of_its_own_is_refused(name: str) -> None:
    with pytest.raises(InstanceNameError, match="no name for an instance"):
        Instance(name)


def test_ports_have_defaults_and_can_be_chosen() -> None:
    chosen = run_ports({"WORKER_PORT": "9001"})
    assert (chosen.api, chosen.worker, chosen.platform, chosen.ops) == (8000, 9001, 8002, 8003)


@pytest.mark.parametrize("text", ["x", "0", "65536", "-1", "8000\n"])
def test_a_port_that_is_none_is_named(text: str) -> None:
    with pytest.raises(PortNameError, match="API_PORT"):
        port_from({"API_PORT": text}, "API_PORT", 8000)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),
        ("[::]", "http://[::1]:1"),
        ("::1", "http://[::1]:1"),
        ("[::1]", "http://[::1]:1"),
        ("localhost", "http://localhost:1"),
    ],
)
def test_a_run_reaches_its_processes_where_they_were_told_to_listen(host: str, url: str) -> None:
    """A server that listens everywhere is reached on loopback."""
    assert reachable({"API_HOST": host}, "API_HOST", 1) == url


def test_the_addresses_that_env_printed_are_still_its_own(tmp_path: Path) -> None:
    """After eval in a shell, run, down and reset mean the same servers as before."""
    instance = Instance("mine", tmp_path)
    save(instance.directory / "postgres" / "server.json", {"ports": [5000], "password": "hunter2"})
    save(instance.directory / "kafka" / "server.json", {"ports": [5001, 5002]})
    before = Stack(instance, {})
    addresses = Addresses(before.postgres.url(), before.kafka.bootstrap_servers)
    (free,) = choose_free()
    given = {"PLATFORM_PORT": str(free)}
    printed = given | shared_environment(instance, addresses, run_ports(given), given)
    assert set(printed) > {"JWT_SECRET", "API_PORT", "WORKER_PORT", "DATA_PLATFORM_URL"}

    after = Stack(instance, printed)
    assert after.own_servers() == [after.postgres, after.kafka]
    assert has_own_platform(printed, run_ports(printed))

    elsewhere = printed | {"DATABASE_URL": "postgresql://db/orders", "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"}
    assert Stack(instance, elsewhere).own_servers() == []
    assert not has_own_platform(elsewhere | {"DATA_PLATFORM_URL": "https://platform"}, run_ports(printed))
    assert Stack(Instance("new", tmp_path), {"DATABASE_URL": ""}).external_database is None


def test_the_registry_is_there_when_it_is_asked_for_and_goes_with_the_others(tmp_path: Path) -> None:
    """A run that asks for none starts none; down and reset take one that is there with them."""
    instance = Instance("mine", tmp_path)
    alone = Stack(instance, {})
    assert alone.own_servers() == [alone.postgres, alone.kafka]
    asked = Stack(instance, {}, besides=["registry"])
    assert asked.own_servers() == [asked.postgres, asked.kafka, asked.registry]
    save(instance.directory / "registry" / "server.json", {"ports": [5003, 5004]})
    later = Stack(instance, {})
    assert later.own_servers() == [later.postgres, later.kafka, later.registry]
    assert [each["name"] for each in describe(later)["servers"]] == ["postgres", "kafka", "registry"]

    printed = Addresses("postgresql://", "", later.registry.url).as_environment()
    assert printed["SCHEMA_REGISTRY_URL"] == "http://127.0.0.1:5003/apis/ccompat/v7"
    assert Stack(instance, {"SCHEMA_REGISTRY_URL": later.registry.url}).external_names() == []
    elsewhere = Stack(instance, {"SCHEMA_REGISTRY_URL": "https://schemas.example"}, besides=["registry"])
    assert elsewhere.own_servers() == [elsewhere.postgres, elsewhere.kafka]
    assert elsewhere.external_names() == ["SCHEMA_REGISTRY_URL"]


def test_the_registry_keeps_nothing_in_a_database_of_somebody_else(tmp_path: Path) -> None:
    """Nothing is started, and the sentence says which of the two addresses to change."""
    somebody_elses = {"DATABASE_URL": "postgresql://db/orders", "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"}
    stack = Stack(Instance("mine", tmp_path), somebody_elses, besides=["registry"])
    with pytest.raises(ExternalDatabaseError, match="unset DATABASE_URL, or set SCHEMA_REGISTRY_URL"):
        stack.up()
    assert not stack.registry.exists


def test_the_registry_listens_on_loopback_alone_and_its_password_is_no_argument() -> None:
    """Also for its probes; everybody on the machine can read a command line."""
    read = settings(20_001, 20_002, "postgresql://postgres:p-w_1@127.0.0.1:5000/schema_registry")
    assert {read["QUARKUS_HTTP_HOST"], read["QUARKUS_MANAGEMENT_HOST"]} == {"127.0.0.1"}
    assert (read["QUARKUS_HTTP_PORT"], read["QUARKUS_MANAGEMENT_PORT"]) == ("20001", "20002")
    assert read["APICURIO_DATASOURCE_URL"] == "jdbc:postgresql://127.0.0.1:5000/schema_registry"
    assert (read["APICURIO_DATASOURCE_USERNAME"], read["APICURIO_DATASOURCE_PASSWORD"]) == (
        "postgres",
        "p-w_1",
    )


async def test_chosen_ports_are_not_chosen_again_while_their_servers_start() -> None:
    """Tests and commands beside each other; nor are they of those that connections get."""
    chosen = await asyncio.gather(*(asyncio.to_thread(choose_free, 3) for _ in range(20)))
    every = [port for some in chosen for port in some]
    assert len(set(every)) == 60
    assert max(every) < 32_768
    assert all(is_free(port) for port in every)
