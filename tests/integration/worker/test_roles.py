"""The roles of docs/security.md: each process has all that it needs, and nothing of the other's."""

import re
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from devservices.instance import ROOT
from kits.observability.health import Status
from tests.commands import run_command
from tests.conftest import execute
from tests.integration.postgres.test_company_database import sell, the_shop
from tests.integration.worker.harness import Pipeline, Platform
from tests.unit.worker.events import Sample
from tests.waiting import eventually

ROLES = ("pipeline_owner", "pipeline_app", "pipeline_worker")
NO_RIGHT = (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidSchemaNameError)


def script(suffix: str) -> str:
    """The statements as they stand in the docs; roles belong to the whole server, so a test has its own."""
    (statements,) = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "security.md").read_text(), re.DOTALL)
    found = str(statements).replace(" LOGIN;", " LOGIN PASSWORD 'p';")
    for role in ROLES:
        found = found.replace(role, f"{role}_{suffix}")
    return found


@pytest.fixture
async def urls(empty_database_url: str) -> AsyncIterator[dict[str, str]]:
    """Address by role, after the script and both migrations."""
    suffix = uuid4().hex[:8]
    await execute(empty_database_url, script(suffix))
    server = empty_database_url.rpartition("@")[2]
    found = {role: f"postgresql://{role}_{suffix}:p@{server}" for role in ROLES}
    for process in ("app", "worker"):
        done = await run_command(
            process, "migrate", DATABASE_URL=found["pipeline_owner"], DATABASE_SCHEMA="shop"
        )
        assert done.code == 0, done.err
    yield found
    for role in reversed(ROLES):
        await execute(empty_database_url, f"DROP OWNED BY {role}_{suffix}; DROP ROLE {role}_{suffix}")


async def test_the_roles_of_the_docs_are_enough_for_an_order_s_whole_way(
    urls: dict[str, str], kafka_servers: str, topic: str, platform: Platform
) -> None:
    """Readiness, an order with its events, and the delivery of an event, its dead letter included."""
    async with the_shop(urls["pipeline_app"], "shop") as shop:
        assert (await shop.database_check().check()).status is Status.OK
        await sell(shop.engine(), "shop")
    pipeline = Pipeline(kafka=kafka_servers, database=urls["pipeline_worker"], topic=topic, platform=platform)
    await platform.faults(reject={"orderIds": ["o-2"]})
    async with pipeline.worker():
        await pipeline.write([Sample("o-1", 1), Sample("o-1", 2), Sample("o-2", 1)])

        async def arrived() -> bool:
            return await platform.seqs("o-1") == [1, 2]

        await eventually(arrived)


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("pipeline_app", "CREATE TABLE shop.more (a int)"),
        ("pipeline_app", "DROP TABLE shop.orders"),
        ("pipeline_app", "TRUNCATE shop.orders"),
        ("pipeline_app", "SELECT * FROM delivery.inbox_event"),
        ("pipeline_worker", "SELECT * FROM shop.orders"),
        ("pipeline_worker", "ALTER TABLE delivery.inbox_event ADD COLUMN a int"),
    ],
)
async def test_a_role_can_neither_change_a_table_nor_read_the_other_s(
    urls: dict[str, str], role: str, statement: str
) -> None:
    """What a stolen password gives is bounded."""
    with pytest.raises(NO_RIGHT):
        await execute(urls[role], statement)
