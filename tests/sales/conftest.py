"""What needs the engine: it is collected in the environment of requirements-sales.lock alone."""

from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.sales.harness import Streams, streams

collect_ignore_glob = [] if find_spec("quixstreams") else ["test_*.py"]


@pytest.fixture
async def stream(tmp_path: Path, kafka_servers: str, topic: str) -> AsyncIterator[Streams]:
    """Streaming processes on a topic of order events for this test alone."""
    async with streams(tmp_path, kafka_servers, topic) as running:
        yield running
