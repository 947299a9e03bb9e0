"""Every example of docs/messaging.md is run as it stands there, on a real broker and a real database."""

import pytest

from devservices.instance import ROOT
from kits.rpc import deadlines
from tests.pages import run_page
from tests.waiting import patient


async def test_the_examples_of_the_page_work_in_their_order(
    kafka_servers: str, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each `main` is awaited."""
    monkeypatch.setattr(deadlines, "DEFAULT_SECONDS", patient(30))
    environment = {"KAFKA_BOOTSTRAP_SERVERS": kafka_servers, "DATABASE_URL": empty_database_url}
    ran = await run_page(ROOT / "docs" / "messaging.md", environment, monkeypatch, named="articles")
    assert ran["main"] == 4
