"""A pipeline of its own for each test: its database, its broker, its processes."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from devservices import throwaway
from devservices.kafka import KafkaServer
from tests.e2e.pipeline import Pipeline
from tests.waiting import patient


@pytest.fixture
def broker() -> Iterator[KafkaServer]:
    """A broker that a test may kill."""
    stack = throwaway.claim("e2e")
    stack.kafka.start(patient(60))
    yield stack.kafka
    throwaway.release(stack)


@pytest.fixture
async def pipeline(tmp_path: Path, database_url: str, broker: KafkaServer) -> AsyncIterator[Pipeline]:
    """Nothing runs yet but the servers; whatever the test starts is ended after it."""
    pipeline = Pipeline(tmp_path, database_url, broker)
    yield pipeline
    await pipeline.stop()
