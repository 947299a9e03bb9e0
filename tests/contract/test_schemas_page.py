"""Every example of docs/schemas.md is run as it stands there: a real broker, a real database, a registry."""

import pytest

from devservices.instance import ROOT
from tests.pages import run_page
from tests.registry_server import registry_server


async def test_the_examples_of_the_page_work_in_their_order(
    kafka_servers: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its commands end well, and each `main` does what it asserts."""
    environment = {"KAFKA_BOOTSTRAP_SERVERS": kafka_servers, "DATABASE_URL": database_url}
    async with registry_server() as registry:
        environment["SCHEMA_REGISTRY_URL"] = registry.url
        ran = await run_page(ROOT / "docs" / "schemas.md", environment, monkeypatch, named="payments")
    assert ran == {"sh": 2, "python": 4, "sql": 1, "main": 2}
