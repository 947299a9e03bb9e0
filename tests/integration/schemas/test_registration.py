"""`python -m contracts schemas register`: ids from a registry into the databases, and never another one."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from contracts.avro_schemas import subjects
from tests.commands import Ended, run_command
from tests.registry_server import RegistryServer, registry_server

REGISTER = ("contracts", "schemas", "register")


@pytest.fixture
async def server() -> AsyncIterator[RegistryServer]:
    """A registry that a test may break."""
    async with registry_server() as running:
        yield running


async def register(server: RegistryServer, database_url: str) -> Ended:
    """Run the command."""
    return await run_command(*REGISTER, DATABASE_URL=database_url, SCHEMA_REGISTRY_URL=server.url)


async def known(database_url: str, table: str = "public.outbox_known_schema") -> dict[str, int]:
    """The ids by subject, as this table has them."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(f"SELECT subject, id FROM {table} WHERE registered_at IS NOT NULL")  # noqa: S608
        return {row["subject"]: row["id"] for row in rows}
    finally:
        await connection.close()


async def test_every_schema_gets_an_id_in_every_database_that_is_there(
    server: RegistryServer, database_url: str
) -> None:
    """The members have no tables here, which is said; again it changes nothing."""
    first = await register(server, database_url)
    assert first.code == 0, first.err
    found = await known(database_url)
    assert set(found) == set(subjects().values())
    assert await known(database_url, "delivery.inbox_known_schema") == found
    assert "members: has no tables of this build" in first.out
    for subject, schema_id in found.items():
        assert any(str(schema_id) in line and subject in line for line in first.out.splitlines())
    again = await register(server, database_url)
    assert (again.code, again.out) == (0, first.out)


async def test_a_wiped_registry_is_told_and_gets_nothing(server: RegistryServer, database_url: str) -> None:
    """Records have the former ids: others would be given to them."""
    assert (await register(server, database_url)).code == 0
    before = await known(database_url)
    server.wipe()
    refused = await register(server, database_url)
    assert refused.code == 1
    assert "was it wiped? Restore it from its backup. Nothing was registered." in refused.err
    assert (await known(database_url), server.schemas) == (before, {})


async def test_another_registry_under_the_same_address_is_found_out(
    server: RegistryServer, database_url: str
) -> None:
    """Its ids mean other schemas."""
    assert (await register(server, database_url)).code == 0
    before = await known(database_url)
    server.schemas = {each: server.schemas[len(server.schemas) + 1 - each] for each in server.schemas}
    refused = await register(server, database_url)
    assert (refused.code, "has another schema there" in refused.err) == (1, True)
    assert await known(database_url) == before


async def test_an_id_that_readers_know_as_another_schema_is_not_written(
    server: RegistryServer, database_url: str
) -> None:
    """A registry that was wiped before anything was registered here, but not before records were read."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "INSERT INTO delivery.inbox_known_schema (registry, id, subject, fingerprint, definition)"
        " VALUES ($1, 1, 'former.Schema', 'f', '{}')",
        server.url,
    )
    await connection.close()
    refused = await register(server, database_url)
    assert (refused.code, "id 1" in refused.err, "former.Schema" in refused.err) == (1, True, True)
    assert await known(database_url, "delivery.inbox_known_schema") == {}


@pytest.mark.parametrize(
    ("settings", "code", "sentence"),
    [
        ({"SCHEMA_REGISTRY_URL": ""}, 2, "SCHEMA_REGISTRY_URL is missing"),
        ({"SCHEMA_REGISTRY_URL": "registry:8081"}, 2, "SCHEMA_REGISTRY_URL: must be an address"),
        ({"SCHEMA_REGISTRY_URL": "http://127.0.0.1:9"}, 1, "schema registry is away"),
    ],
)
async def test_what_cannot_be_asked_is_said_in_a_sentence(
    database_url: str, settings: dict[str, Any], code: int, sentence: str
) -> None:
    """No trace; nothing is written."""
    done = await run_command(*REGISTER, DATABASE_URL=database_url, **settings)
    assert (done.code, sentence in done.err, "Traceback" in done.err) == (code, True, False)
    assert await known(database_url) == {}
