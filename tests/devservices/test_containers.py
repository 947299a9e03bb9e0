"""The files for Docker users and for make, as far as they can be checked without an engine."""

import importlib.util
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from app.settings import ApiSettings, OpsSettings
from conduit.articles.settings import ArticlesPlace
from conduit.auth.settings import AuthPlace
from conduit.gateway.settings import GatewayPlace
from conduit.profiles.settings import ProfilesPlace
from devservices.instance import ROOT
from kits.process.stopping import CANCEL_SECONDS
from kits.web.server.serving import LIFESPAN_END_SECONDS
from services.members.settings import MembersDatabaseSettings
from services.sales.settings import TablePlaceSettings
from services.sales.stream.settings import StreamPlaceSettings
from tests.waiting import patient
from worker.runner import PROBES_SECONDS
from worker.settings import ProcessSettings

COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "Dockerfile"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services, merge keys resolved."""
    loaded: dict[str, Any] = YAML(typ="safe").load(COMPOSE.read_text())["services"]
    return loaded


def built_here(services: dict[str, Any]) -> dict[str, Any]:
    return {name: service for name, service in services.items() if "build" in service}


def test_the_compose_file_follows_the_compose_specification() -> None:
    check = Path(sys.executable).with_name("check-jsonschema")
    command = [str(check), "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=patient(60), check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_environment_name_is_documented(services: dict[str, Any]) -> None:
    documented = set(
        re.findall(r"^#?\s*([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    )
    used = {name for service in built_here(services).values() for name in service.get("environment", {})}
    used |= set(re.findall(r"\$\{([A-Z0-9_]+)", COMPOSE.read_text()))
    assert used <= documented


def test_all_profiles_together_want_each_port_once(services: dict[str, Any]) -> None:
    ports = [each.rpartition(":")[0] for service in services.values() for each in service.get("ports", ())]
    wanted = Counter(re.sub(r"\$\{[A-Z_]+:-(\d+)\}", r"\1", each) for each in ports)
    assert [each for each, count in wanted.items() if count > 1] == []


def test_every_command_names_a_module_that_can_be_run(services: dict[str, Any]) -> None:
    for service in built_here(services).values():
        python, option, module = service["command"][:3]
        assert (python, option) == ("python", "-m")
        assert importlib.util.find_spec(f"{module}.__main__") is not None


def test_every_dependency_is_a_service_and_waits_for_a_condition(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, how in service.get("depends_on", {}).items():
            assert how["condition"] in {"service_healthy", "service_completed_successfully"}
            assert how["condition"] != "service_healthy" or "healthcheck" in services[name]


def test_nothing_listens_beyond_this_machine(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_a_stop_takes_less_than_compose_grants(services: dict[str, Any]) -> None:
    granted = {float(built["stop_grace_period"].removesuffix("s")) for built in built_here(services).values()}
    api = ApiSettings()
    waiting = api.shutdown_delay_seconds + api.drain_seconds
    assert waiting + LIFESPAN_END_SECONDS + CANCEL_SECONDS < min(granted)
    assert ProcessSettings().drain_seconds + PROBES_SECONDS < min(granted)


def test_probes_are_asked_where_they_are_served(services: dict[str, Any]) -> None:
    members = MembersDatabaseSettings().members.ops_port
    sales, stream = TablePlaceSettings().ops_port, StreamPlaceSettings().port
    ours = {"api": OpsSettings().port, "worker": ProcessSettings().port, "members": members, "sales": sales}
    conduit = {
        "conduit-gateway": GatewayPlace().ops_port,
        "conduit-auth": AuthPlace().ops_port,
        "conduit-articles": ArticlesPlace().ops_port,
        "conduit-profiles": ProfilesPlace().ops_port,
    }
    for name, port in (ours | conduit | {"sales-stream": stream}).items():
        assert f"http://127.0.0.1:{port}/readyz" in services[name]["healthcheck"]["test"][-1]
        assert any(published.endswith(f":{port}") for published in services[name]["ports"])


def test_the_gateway_of_conduit_cannot_read_the_private_keys(services: dict[str, Any]) -> None:
    """They lie beside the public ones, for the image's user alone; only who makes them may write."""
    owner = re.findall(r"^USER (\d+)$", DOCKERFILE.read_text(), re.MULTILINE)[-1]
    assert services["conduit-gateway"]["user"].partition(":")[0] not in {owner, "0"}
    assert "user" not in services["conduit-auth"]
    mounts = {name: each["volumes"] for name, each in built_here(services).items() if "volumes" in each}
    assert mounts.pop("conduit-keys") == ["conduit-keys:/keys"]
    assert mounts == {name: ["conduit-keys:/keys:ro"] for name in ("conduit-auth", "conduit-gateway")}


def test_the_image_runs_as_an_ordinary_user_with_hashed_packages_and_copies_what_exists() -> None:
    text = DOCKERFILE.read_text()
    assert int(re.findall(r"^USER (\d+)$", text, re.MULTILINE)[-1]) > 0
    assert "--require-hashes" in text
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for source in line.split():
            assert (ROOT / source).exists()
            assert source in allowed


def test_make_offers_at_most_sixteen_targets_and_explains_each() -> None:
    listed = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, timeout=patient(60), check=True
    )
    explained = {line.split()[1] for line in listed.stdout.splitlines()}
    offered = set(re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split())
    assert explained == offered
    assert len(offered) <= 16
