"""Where the delivering group stands is shown by one process of the service, also while no worker lives."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest
from dependency_injector import providers

from app.container import Container
from app.settings import AppSettings
from kits.kafka.group_watch import GroupWatch
from kits.kafka.records import TopicPartition
from kits.settings import read_settings
from tests.integration.kafka.clients import PLAIN
from tests.integration.kafka.raw_batches import send_batches
from tests.waiting import eventually, patient


@asynccontextmanager
async def process(database_url: str, kafka_servers: str, topic: str) -> AsyncIterator[Container]:
    """One process's parts, on a topic of this test; nothing runs by itself."""
    environment = {
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka_servers,
        "JWT_SECRET": "s" * 32,
    }
    made = Container(settings=read_settings(AppSettings, environment))
    made.group_watch.override(
        providers.Singleton(
            GroupWatch,
            bootstrap_servers=kafka_servers,
            security=PLAIN,
            client_id="test-watch",
            group="watched",
            topics=[topic],
            within_seconds=patient(10),
        )
    )
    assert made.delivery_watch() in made.lifecycle()._parts
    yield made
    await made.delivery_watch().stop()
    await made.engines.pools().stop()


async def shown(made: Container) -> set[str]:
    """What the process tells of the group after one more look, without the seconds."""
    await made.delivery_watch().look()
    lines = made.metrics().render().decode().splitlines()
    found = [line for line in lines if line.startswith("kafka_consumer_") and "seconds" not in line]
    return {line.replace('group="watched"', "").removeprefix("kafka_consumer_") for line in found}


async def end_sessions_with_locks(database_url: str) -> None:
    """As if their process had died."""
    connection = await asyncpg.connect(database_url, timeout=patient(60))
    await connection.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    await connection.close()


async def test_one_process_shows_the_lag_without_a_worker_and_another_takes_over(
    database_url: str, kafka_servers: str, topic: str
) -> None:
    """Whoever has lost its turn shows nothing, instead of old numbers."""
    await send_batches(kafka_servers, TopicPartition(topic, 1), [(b"k", b"0", []), (b"k", b"1", [])])
    places = zip((0.0, 2.0, 0.0), range(3), strict=True)
    all_of_it = {f'lag_records{{,partition="{at}",topic="{topic}"}} {lag}' for lag, at in places}
    all_of_it.add("group_members{} 0.0")
    async with AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(process(database_url, kafka_servers, topic)) for _ in range(2)
        ]
        assert (await shown(first), await shown(second)) == (all_of_it, set())
        assert (await shown(first), await shown(second)) == (all_of_it, set())
        await end_sessions_with_locks(database_url)
        assert (await shown(second), await shown(first)) == (all_of_it, set())
        await second.delivery_watch().stop()
        assert await eventually(lambda: shown(first)) == all_of_it


async def test_while_kafka_or_the_database_is_away_nothing_is_shown(
    database_url: str, kafka_servers: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the look itself does not fail."""
    async with process(database_url, kafka_servers, topic) as made:
        assert await shown(made)
        with monkeypatch.context() as patched:
            patched.setitem(made.group_watch()._options, "bootstrap_servers", "127.0.0.1:1")
            assert await shown(made) == set()
        assert await shown(made)
        await end_sessions_with_locks(database_url)
        assert await shown(made) == set(), "the connection is lost"
        assert await shown(made)
