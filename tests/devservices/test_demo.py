"""`make demo` as a user meets it, beside whatever else runs on this machine."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devservices import ports, throwaway
from devservices.instance import ROOT
from devservices.stack import Stack

ELSEWHERE = {
    "DATABASE_URL",
    "WORKER_DATABASE_URL",
    "KAFKA_BOOTSTRAP_SERVERS",
    "DATA_PLATFORM_URL",
    "JWT_SECRET",
}


@pytest.fixture
def stack() -> Iterator[Stack]:
    claimed = throwaway.claim("demo")
    yield claimed
    throwaway.release(claimed)


def test_the_demo_shows_each_order_arrive_ends_with_success_and_leaves_nothing_running(
    stack: Stack, tmp_path: Path
) -> None:
    """With a copy of .env.example that names other ports, which is all that it changes."""
    api, worker, platform = (str(port) for port in ports.choose_free(3))
    env_file = tmp_path / "settings"
    given = f"API_PORT={api}\nexport WORKER_PORT='{worker}'\nPLATFORM_PORT={platform} # free now\n"
    env_file.write_text((ROOT / ".env.example").read_text(encoding="utf-8") + given, encoding="utf-8")
    env = {key: value for key, value in os.environ.items() if key not in ELSEWHERE}
    done = subprocess.run(
        [sys.executable, "-m", "devservices", "run", "--until-arrived", "--instance", stack.instance.name],
        cwd=ROOT,
        env={**env, "ENV_FILE": str(env_file)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("event_arrived") == 5
    assert done.stdout.count("coupon WELCOME10") == 2
    assert all(ports.is_free(int(port)) for port in (api, worker, platform))
    assert not any(server.is_running() for server in stack.own_servers())


def test_a_taken_port_is_told_before_anything_starts(stack: Stack) -> None:
    env = {key: value for key, value in os.environ.items() if key not in ELSEWHERE}
    free = dict(zip(("WORKER_PORT", "PLATFORM_PORT"), map(str, ports.choose_free(2)), strict=True))
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        port = squatter.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "devservices", "run", "--instance", stack.instance.name],
            cwd=ROOT,
            env={**env, **free, "API_PORT": str(port)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"Port {port} is in use: stop what listens there, or choose another with API_PORT=<port>."
    )
    assert stack.postgres.process is None
