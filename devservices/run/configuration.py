"""What a run is made of: ports, addresses, secrets, and the environment that its processes get."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from devservices import ports, state
from devservices.environment import port_from
from devservices.errors import PortTakenError
from devservices.instance import Instance
from devservices.stack import Addresses

SIGNING_KEY_FILE = "jwt-secret"


@dataclass(frozen=True, slots=True)
class RunPorts:
    """Where the three processes listen, all on 127.0.0.1; `ops` is the API's for operators."""

    api: int
    worker: int
    platform: int
    ops: int


def run_ports(environ: Mapping[str, str]) -> RunPorts:
    """API_PORT, WORKER_PORT, PLATFORM_PORT and OPS_PORT, by default 8000 to 8003."""
    return RunPorts(
        port_from(environ, "API_PORT", 8000),
        port_from(environ, "WORKER_PORT", 8001),
        port_from(environ, "PLATFORM_PORT", 8002),
        port_from(environ, "OPS_PORT", 8003),
    )


def require_free_ports(
    chosen: RunPorts, *, own_platform: bool, besides: Mapping[str, int] = MappingProxyType({})
) -> None:
    """Raises PortTakenError for the first port on which somebody listens."""
    wanted = [("API_PORT", chosen.api), ("OPS_PORT", chosen.ops), ("WORKER_PORT", chosen.worker)]
    if own_platform:
        wanted.append(("PLATFORM_PORT", chosen.platform))
    wanted += besides.items()
    for name, port in wanted:
        if not ports.is_free(port):
            raise PortTakenError(
                f"Port {port} is in use: stop what listens there, or choose another with {name}=<port>."
            )
    if len({port for _, port in wanted}) < len(wanted):
        names = ", ".join(name for name, _ in wanted)
        raise PortTakenError(f"{names} must differ: change one of them.")


def jwt_secret(instance: Instance, environ: Mapping[str, str]) -> str:
    """JWT_SECRET if it is set, otherwise one that is made once and kept with the instance."""
    if given := environ.get("JWT_SECRET"):
        return given
    path = instance.directory / SIGNING_KEY_FILE
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        state.write_private(path, secrets.token_urlsafe(48))
    return path.read_text().strip()


def platform_url(environ: Mapping[str, str], chosen: RunPorts) -> str:
    """DATA_PLATFORM_URL, or where a run serves a platform of its own."""
    return environ.get("DATA_PLATFORM_URL") or f"http://{ports.LOOPBACK}:{chosen.platform}"


def has_own_platform(environ: Mapping[str, str], chosen: RunPorts) -> bool:
    """Whether a run serves the data platform itself: nothing else is named, or nobody is there."""
    own = platform_url({}, chosen)
    return platform_url(environ, chosen) == own and (
        not environ.get("DATA_PLATFORM_URL") or ports.is_free(chosen.platform)
    )


def shared_environment(
    instance: Instance, addresses: Addresses, chosen: RunPorts, environ: Mapping[str, str]
) -> dict[str, str]:
    """What every process and command of the product needs to find its servers and its neighbours."""
    return {
        **addresses.as_environment(),
        "DATA_PLATFORM_URL": platform_url(environ, chosen),
        "JWT_SECRET": jwt_secret(instance, environ),
        "API_PORT": str(chosen.api),
        "OPS_PORT": str(chosen.ops),
        "WORKER_PORT": str(chosen.worker),
        "PLATFORM_PORT": str(chosen.platform),
    }


def process_environment(
    name: str,
    instance: Instance,
    addresses: Addresses,
    chosen: RunPorts,
    environ: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """The environment of one process: the caller's, completed; its JSON log lines go to a file of its own."""
    return {
        **environ,
        **shared_environment(instance, addresses, chosen, environ),
        "API_SHUTDOWN_DELAY_SECONDS": "0",
        "MEMBERS_SHUTDOWN_DELAY_SECONDS": "0",
        "SALES_SHUTDOWN_DELAY_SECONDS": "0",
        "CONDUIT_GATEWAY_SHUTDOWN_DELAY_SECONDS": "0",
        # Like any shop that strangers can reach.
        "MAX_OPEN_ORDERS": environ.get("MAX_OPEN_ORDERS") or "50",
        # What .env says is in here already.
        "ENV_FILE": os.devnull,
        "LOG_LEVEL": "debug",
        "LOG_FILE": str(instance.logs / f"{name}.jsonl"),
        "PYTHONUNBUFFERED": "1",
    }
