"""Both sides: four processes of ours, three of NestJS; each with a database and topics of its own."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil  # type: ignore[import-untyped]
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from devservices.ports import LOOPBACK, choose_free
from devservices.stack import Addresses
from judges.packages import NEST_VERSIONS
from judges.programs import node_program
from judges.topics import own_topics
from tests.conduit_processes import ROLES, ConduitProcesses

OURS, THEIRS = "conduit", "NestJS"
_NEST = NEST_VERSIONS[-1]
_PREFIX = "nest-conduit"
_ASKED = ("user_creation", "validate_user", "create_article", "get_all_articles", "favorite_article")
_TABLES = Path(__file__).parents[1] / "nest_conduit" / "tables.sql"
_SCHEMA = "nest_conduit"
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Contestant:
    """A gateway and its services, ready; the ids of their processes, and the seconds each took to be so."""

    name: str
    url: str
    processes: Mapping[str, int]
    start_seconds: Mapping[str, float]

    def cpu_seconds(self) -> float:
        """Processor time that all its processes have used."""
        used = [psutil.Process(process).cpu_times() for process in self.processes.values()]
        return float(sum(each.user + each.system for each in used))

    def memory_mib(self) -> dict[str, float]:
        """Resident memory by process."""
        return {name: psutil.Process(pid).memory_info().rss / _MIB for name, pid in self.processes.items()}


@asynccontextmanager
async def our_conduit(addresses: Addresses, directory: Path) -> AsyncIterator[Contestant]:
    """Ours, its processes started one after the other."""
    # NestJS's gateway waits without end.
    quiet = {"LOG_LEVEL": "warning", "CONDUIT_GATEWAY_TIMEOUT_SECONDS": "30"}
    ours = ConduitProcesses(
        directory, addresses.database_url, addresses.kafka_bootstrap_servers, settings=quiet
    )
    await ours.prepare()
    try:
        started = {role: await ours.start(role) for role in ROLES}
        pids = {role: process.pid for role, process in ours.processes.items()}
        yield Contestant(OURS, ours.url, pids, started)
    finally:
        ours.stop()


@asynccontextmanager
async def nest_conduit(addresses: Addresses) -> AsyncIterator[Contestant]:
    """That of NestJS, on tables of the same shape in the same database."""
    await _make_tables(addresses.database_url)
    servers = addresses.kafka_bootstrap_servers
    database = f"{addresses.database_url}?options=-csearch_path%3D{_SCHEMA}"
    private, public = _key_pair()
    (port,) = choose_free()
    topics = [*_ASKED, *(f"{each}.reply" for each in _ASKED), "user_changed"]
    words = {
        "auth": [database, private],
        "articles": [database],
        "gateway": [str(port), public],
    }
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(own_topics(servers, _PREFIX, topics))
        started, pids = {}, {}
        for name, given in words.items():
            began = time.perf_counter()
            program = node_program(f"nest_conduit/{name}", _NEST, servers, _PREFIX, *given)
            pids[name] = (await stack.enter_async_context(program)).pid
            started[name] = time.perf_counter() - began
        yield Contestant(THEIRS, f"http://{LOOPBACK}:{port}", pids, started)


def _key_pair() -> tuple[str, str]:
    """For tokens, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


async def _make_tables(url: str) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(
            f"CREATE SCHEMA {_SCHEMA}; SET search_path TO {_SCHEMA}; {_TABLES.read_text()}"
        )
    finally:
        await connection.close(timeout=10)
