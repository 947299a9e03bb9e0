"""A measured API process: started, asked for its counts, stopped."""

import asyncio
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from devservices.errors import ServerStartError
from devservices.ports import LOOPBACK
from devservices.processes import ManagedProcess, spawn

_START_SECONDS = 40.0
_POLL_SECONDS = 0.05
_STOP_SECONDS = 30.0
_ANSWERS = re.compile(
    r"^http_server_request_duration_seconds_count"
    r'\{method="POST",route="/orders",status_code="(\d+)"\} (\S+)$',
    re.MULTILINE,
)
_CPU = re.compile(r"^process_cpu_seconds_total (\S+)$", re.MULTILINE)
_MEMORY = re.compile(r"^process_resident_memory_bytes (\S+)$", re.MULTILINE)
# The processes are on this machine: a proxy from the environment would only be in the way.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Counts:
    """What one process says of itself: answers to POST /orders by status, processor time, resident memory."""

    answers: Mapping[str, int]
    cpu_seconds: float
    memory_mib: float

    @property
    def accepted(self) -> int:
        """Orders answered 202."""
        return self.answers.get("202", 0)

    @property
    def others(self) -> int:
        """Any other answer, and requests whose connection ended without one."""
        return sum(self.answers.values()) - self.accepted


@dataclass(slots=True)
class Shop:
    """One API process."""

    name: str
    port: int
    process: ManagedProcess
    probes_url: str = ""
    """Where its probes and metrics are: its ops listener, or the shop's port in a checkout without one."""

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://{LOOPBACK}:{self.port}"

    async def counts(self) -> Counts:
        """Its own counts, now."""
        text = await asyncio.to_thread(_get, f"{self.probes_url}/metrics")
        memory, cpu = _MEMORY.search(text), _CPU.search(text)
        answers = {status: int(float(number)) for status, number in _ANSWERS.findall(text)}
        return Counts(
            answers,
            cpu_seconds=float(cpu.group(1)) if cpu else 0.0,
            memory_mib=float(memory.group(1)) / 2**20 if memory else 0.0,
        )

    def stop(self) -> None:
        """End it in order."""
        self.process.stop(_STOP_SECONDS)


async def start_shop(
    name: str,
    *options: str,
    checkout: Path,
    ports: tuple[int, int],
    log_path: Path,
    environment: Mapping[str, str],
) -> Shop:
    """Start the API of a checkout on these ports, the shop's and the operators', and wait until it is ready.

    Raises:
        ServerStartError: it ended, or was not ready in time.
    """
    port, ops_port = ports
    process = spawn(
        name,
        [sys.executable, "-m", "bench.api", *options],
        log_path=log_path,
        env={**environment, "API_PORT": str(port), "OPS_PORT": str(ops_port)},
        cwd=checkout,
    )
    shop = Shop(name, port, process)
    give_up_at = asyncio.get_running_loop().time() + _START_SECONDS
    addresses = (f"http://{LOOPBACK}:{ops_port}", shop.url)
    while not (ready := await asyncio.to_thread(_ready_at, addresses)):
        if not process.alive or asyncio.get_running_loop().time() > give_up_at:
            process.kill()
            raise ServerStartError(f"The API did not start, see {log_path}:\n{process.last_lines()}")
        await asyncio.sleep(_POLL_SECONDS)
    shop.probes_url = ready
    return shop


def _ready_at(addresses: Sequence[str]) -> str:
    for url in addresses:
        with suppress(OSError):
            if '"status":"ok"' in _get(f"{url}/readyz"):
                return url
    return ""


def _get(url: str) -> str:
    with _OPENER.open(url, timeout=10.0) as answer:
        text: str = answer.read().decode()
        return text
