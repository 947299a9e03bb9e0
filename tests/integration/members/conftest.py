"""One Member API per module on a database of its own; Kafka is away."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.conftest import fresh_database
from tests.integration.members.harness import MemberApi, container_of, member_api


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def members(postgres_server_url: str) -> AsyncIterator[MemberApi]:
    """The service on free ports."""
    async for url in fresh_database(postgres_server_url, ""):
        async with member_api(container_of(url)) as running:
            yield running
