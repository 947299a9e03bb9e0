"""The servers' life: data stay, crashes are mended, nothing runs twice, what is not ours is not touched."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from devservices import state, throwaway
from devservices.instance import ROOT, Instance
from devservices.kafka import mark_of
from devservices.processes import current, find_by_argument
from devservices.stack import Stack
from tests.waiting import patient

TOPIC = "kept"
UP_AND_STAY = """
import sys, time
from devservices.instance import Instance
from devservices.stack import Stack
Stack(Instance(sys.argv[1]), environ={}).up()
print("up", flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """An instance of this file's own; tests start and stop it as they need."""
    claimed = throwaway.claim("lifecycle")
    yield claimed
    throwaway.release(claimed)


@pytest.fixture
def neighbour() -> Iterator[Stack]:
    """A second instance beside it, gone after the test."""
    claimed = throwaway.claim("neighbour")
    yield claimed
    throwaway.release(claimed)


def run_cli(*arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """`python -m devservices …` with nothing but the given addresses in its environment."""
    env = {
        key: value
        for key, value in os.environ.items()
        if key not in {"DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"}
    }
    return subprocess.run(
        [sys.executable, "-m", "devservices", *arguments],
        cwd=ROOT,
        env={**env, **(environ or {})},
        capture_output=True,
        text=True,
        timeout=patient(120),
        check=False,
    )


@asynccontextmanager
async def connected(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(stack.postgres.url(), timeout=patient(60))
    try:
        yield connection
    finally:
        await connection.close()


def start_and_kill_a_parent(stack: Stack) -> None:
    command = [sys.executable, "-c", UP_AND_STAY, stack.instance.name]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        parent.kill()


async def write_marks(stack: Stack) -> None:
    async with connected(stack) as connection:
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS kept (word text); INSERT INTO kept VALUES ('row')"
        )
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, 1, 1)])
    finally:
        await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=stack.kafka.bootstrap_servers, acks="all") as producer:
        await producer.send_and_wait(TOPIC, b"record")


async def read_marks(stack: Stack) -> tuple[str, bytes]:
    async with connected(stack) as connection:
        row = await connection.fetchval("SELECT min(word) FROM kept")
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka.bootstrap_servers)
    await consumer.start()
    try:
        partition = TopicPartition(TOPIC, 0)
        consumer.assign([partition])
        consumer.seek(partition, 0)
        found = await consumer.getmany(partition, timeout_ms=int(patient(60_000)))
        return row, found[partition][0].value
    finally:
        await consumer.stop()


async def test_rows_and_records_survive_down_and_up_at_the_same_addresses(stack: Stack) -> None:
    stack.up()
    addresses = stack.addresses()
    await write_marks(stack)
    stack.down()
    assert not stack.postgres.is_running()
    assert not stack.kafka.is_running()
    stack.up()
    assert stack.addresses() == addresses
    assert await read_marks(stack) == ("row", b"record")


async def test_a_developer_s_database_survives_a_power_cut(stack: Stack) -> None:
    """Only servers whose data are thrown away may do without."""
    stack.up()
    connection = await asyncpg.connect(stack.addresses().database_url)
    try:
        assert await connection.fetchval("SHOW fsync") == "on"
    finally:
        await connection.close()


async def test_servers_outlive_a_killed_parent_and_the_next_up_finds_them(neighbour: Stack) -> None:
    start_and_kill_a_parent(neighbour)
    before = neighbour.addresses()
    assert neighbour.up() == []
    assert neighbour.addresses() == before
    await write_marks(neighbour)
    assert await read_marks(neighbour) == ("row", b"record")


async def test_killed_servers_are_mended_by_the_next_up_without_loss(stack: Stack) -> None:
    stack.up()
    await write_marks(stack)
    for server in stack.own_servers():
        assert server.process is not None
        os.kill(server.process.pid, signal.SIGKILL)
    assert len(stack.up()) == 2
    assert await read_marks(stack) == ("row", b"record")


def test_two_ups_at_once_give_one_set_of_servers(neighbour: Stack) -> None:
    command = [sys.executable, "-m", "devservices", "up", "--instance", neighbour.instance.name]
    env = {
        key: value
        for key, value in os.environ.items()
        if key not in {"DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"}
    }
    both = [subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(timeout=patient(120)) for process in both] == [0, 0]
    place = neighbour.instance.directory
    assert len(list(find_by_argument(mark_of(place / "kafka")))) == 1
    assert neighbour.postgres.is_running()


def test_a_taken_port_is_left_to_its_user_and_another_is_chosen(stack: Stack) -> None:
    stack.postgres.stop()
    before = stack.postgres.port
    with socket.create_server(("127.0.0.1", before or 0)):
        stack.postgres.start()
    assert stack.postgres.is_running()
    assert stack.postgres.port != before


def test_a_lock_file_that_names_somebody_elses_process_does_not_stop_the_start(stack: Stack) -> None:
    stack.postgres.start()
    lock_file = stack.postgres.data / "postmaster.pid"
    words = lock_file.read_text().splitlines()
    stack.postgres.stop()
    lock_file.write_text("\n".join([str(os.getppid()), *words[1:]]) + "\n")
    assert stack.postgres.start()


async def test_addresses_in_the_environment_are_used_and_never_touched(
    empty_database_url: str, kafka_servers: str, neighbour: Stack
) -> None:
    environ = {"DATABASE_URL": empty_database_url, "KAFKA_BOOTSTRAP_SERVERS": kafka_servers}
    name = neighbour.instance.name
    for command in ("up", "env", "down", "reset"):
        done = run_cli(command, "--instance", name, environ=environ)
        assert done.returncode == 0, done.stderr
        if command == "env":
            assert f"export DATABASE_URL={empty_database_url}" in done.stdout
    assert neighbour.postgres.process is None
    assert neighbour.kafka.process is None
    connection = await asyncpg.connect(empty_database_url)
    await connection.close()
    async with AIOKafkaProducer(bootstrap_servers=kafka_servers):
        pass


def test_status_tells_programs_what_runs_and_hides_the_password(stack: Stack) -> None:
    stack.up()
    done = run_cli("status", "--json", "--instance", stack.instance.name)
    servers = {server["name"]: server for server in json.loads(done.stdout)["servers"]}
    assert servers["postgres"]["state"] == servers["kafka"]["state"] == "running"
    assert servers["postgres"]["address"] == f"127.0.0.1:{stack.postgres.port}"
    assert stack.postgres.url().split(":")[2].split("@")[0] not in done.stdout


def test_env_without_servers_says_what_to_do(neighbour: Stack) -> None:
    done = run_cli("env", "--instance", neighbour.instance.name)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.strip().endswith("is not running: run `make up`.")


def test_reset_deletes_the_data_of_this_instance_alone(stack: Stack, neighbour: Stack) -> None:
    stack.up()
    neighbour.postgres.start()
    assert run_cli("reset", "--instance", stack.instance.name).returncode == 0
    assert not stack.instance.directory.exists()
    assert stack.postgres.process is None
    assert neighbour.postgres.is_running()


def test_instances_of_dead_owners_are_swept_and_those_of_living_ones_stay(neighbour: Stack) -> None:
    dead, named = Instance(f"swept-{os.getpid()}"), Instance("swept-by-hand")
    owner = {**current().as_state(), "started": "an earlier boot:1"}
    state.save(dead.directory / throwaway.OWNER_FILE, owner)
    named.directory.mkdir()
    assert throwaway.sweep("swept") == [dead.name]
    assert not dead.directory.exists()
    named.directory.rmdir()
    assert throwaway.sweep("neighbour") == []
    assert neighbour.instance.directory.exists()
