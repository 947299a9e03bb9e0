"""One pipeline per test: a topic, a database and a data platform of its own."""

from collections.abc import AsyncIterator

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from tests.integration.worker.harness import Pipeline, Platform, running_platform


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    """The reference data platform."""
    async with running_platform() as running:
        yield running


@pytest.fixture
async def pipeline(
    kafka_servers: str, database_url: str, topic: str, platform: Platform
) -> AsyncIterator[Pipeline]:
    """Everything that a worker needs, without a worker."""
    yield Pipeline(kafka=kafka_servers, database=database_url, topic=topic, platform=platform)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_servers)
    await admin.start()
    try:
        await admin.delete_topics([f"{topic}.dlq"])
    finally:
        await admin.close()
