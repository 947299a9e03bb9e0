"""The fixtures that every other test stands on."""

import asyncpg
import psutil  # type: ignore[import-untyped]
from aiokafka import AIOKafkaProducer

from devservices import throwaway
from devservices.instance import CACHE
from devservices.kafka_files import class_path
from tests.waiting import patient


async def test_an_empty_database_is_there_and_has_no_tables(empty_database_url: str) -> None:
    connection = await asyncpg.connect(empty_database_url)
    try:
        assert await connection.fetchval("SHOW server_version_num") >= "180000"
        assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    finally:
        await connection.close()


async def test_a_topic_takes_a_record_that_all_replicas_acknowledge(kafka_servers: str, topic: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka_servers, acks="all", linger_ms=0) as producer:
        stored = await producer.send_and_wait(topic, b"value", key=b"key")
    assert stored.offset == 0


def test_a_broker_takes_its_classes_from_the_archive() -> None:
    """The runtime says in its log if it refuses the file."""
    class_path(CACHE)
    stack = throwaway.claim("archive")
    try:
        stack.kafka.start(patient(60))
        process = stack.kafka.process
        assert process is not None
        assert any(word.startswith("-XX:AOTCache=") for word in psutil.Process(process.pid).cmdline())
        assert "aot" not in stack.kafka.log_path.read_text()
    finally:
        throwaway.release(stack)
