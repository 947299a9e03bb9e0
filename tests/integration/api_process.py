"""The order service as a process of its own, on a real database; Kafka is away unless a test names it."""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from devservices.instance import ROOT
from devservices.ports import choose_free
from devservices.processes import ManagedProcess, spawn
from kits.web.tokens.verifier import issue_token
from tests.commands import PASSED_ON, run_command
from tests.integration.api.raw import exchange, message
from tests.waiting import eventually, patient

STOP_SECONDS = patient(60)
SECRET = secrets.token_hex(32)


@dataclass(frozen=True, slots=True)
class ApiProcess:
    """A running service."""

    process: ManagedProcess
    port: int
    ops_port: int

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def api_process(directory: Path, database_url: str, **environment: str) -> AsyncIterator[ApiProcess]:
    """Start `python -m app`, wait until it is ready, and stop it cleanly."""
    port, ops_port = choose_free(2)
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    settings = {
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "JWT_SECRET": SECRET,
        "API_PORT": str(port),
        "API_SHUTDOWN_DELAY_SECONDS": "0",
        "API_DRAIN_SECONDS": "5",
        "OPS_PORT": str(ops_port),
        "LOG_LEVEL": "warning",
        "LOG_FORMAT": "json",
    }
    process = spawn(
        f"api-{port}",
        [sys.executable, "-m", "app"],
        log_path=directory / f"api-{port}.log",
        env={**kept, **settings, **environment},
        cwd=ROOT,
    )
    try:
        await eventually(lambda: _is_ready(ops_port), poll_seconds=0.1)
        yield ApiProcess(process, port, ops_port)
    finally:
        ended = await asyncio.to_thread(process.stop, STOP_SECONDS)
    assert ended, process.last_lines()


async def run_app(database_url: str, *words: str, given: bytes = b"") -> str:
    """Run a command of the service to its end; what it said on stdout."""
    done = await run_command("app", *words, given=given, DATABASE_URL=database_url)
    assert done.code == 0, done.err
    return done.out


def a_token(sub: str, *scopes: str) -> str:
    """A token that these processes accept."""
    return issue_token(SECRET, sub, issuer="order-pipeline", audience="orders", scopes=scopes)


async def _is_ready(port: int) -> bool:
    try:
        return (await exchange(port, message("GET", "/readyz"))).status == 200
    except OSError:
        return False
