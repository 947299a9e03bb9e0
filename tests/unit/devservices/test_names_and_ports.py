"""Names of instances, and ports from the environment."""

import pytest

from devservices.environment import PortNameError, port_from
from devservices.instance import Instance, InstanceNameError
from devservices.run.configuration import run_ports


@pytest.mark.parametrize("name", ["", "..", "a/b", "cache", "locks", "A", "-x", "x" * 42])
def test_a_name_that_is_no_folder_of_its_own_is_refused(name: str) -> None:
    with pytest.raises(InstanceNameError, match="no name for an instance"):
        Instance(name)


def test_ports_have_defaults_and_can_be_chosen() -> None:
    chosen = run_ports({"WORKER_PORT": "9001"})
    assert (chosen.api, chosen.worker, chosen.platform) == (8000, 9001, 8002)


@pytest.mark.parametrize("text", ["x", "0", "65536", "-1", "8000\n"])
def test_a_port_that_is_none_is_named(text: str) -> None:
    with pytest.raises(PortNameError, match="API_PORT"):
        port_from({"API_PORT": text}, "API_PORT", 8000)
