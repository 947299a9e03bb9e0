"""A database as companies have them: ordinary roles, schemas of one's own, and other programs in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.command_container import DatabaseContainer
from app.outbox.table import outbox
from app.persistence.tables import shop
from app.settings import DatabaseCommandSettings
from kits.observability.health import Status
from kits.postgres.engine import DatabaseSettings, create_engine
from kits.postgres.migrations import History, MigrationRefusedError
from kits.settings import Secret
from tests.builders import a_command, a_product, paying
from tests.commands import run_command
from tests.conftest import database_address, execute
from tests.earlier_history import EarlierHistory
from tests.fakes import FakePublisher
from tests.integration.app.conftest import a_shop
from tests.integration.app.outbox_pipeline import Pipeline
from worker.command_container import InboxCommands
from worker.inbox.operators.stuck import Filter
from worker.settings import InboxPlaceSettings, InboxSettings

VERSION = "order_pipeline_app_version"
EARLIER = "2026_11_22_0900"


@dataclass(frozen=True, slots=True)
class Company:
    """A database whose owner is somebody else, and a role with LOGIN and nothing more."""

    owner_url: str
    role: str

    @property
    def url(self) -> str:
        """The role's address."""
        return f"postgresql://{self.role}:p@{self.owner_url.rpartition('@')[2]}"

    async def run(self, *statements: str) -> None:
        """As the owner."""
        for statement in statements:
            await execute(self.owner_url, statement)

    async def value(self, query: str) -> object:
        """One value, as the owner sees it."""
        connection = await asyncpg.connect(self.owner_url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()


@pytest.fixture
async def company(empty_database_url: str) -> AsyncIterator[Company]:
    """The role owns nothing; nobody may create in `public`, as in every new database since PostgreSQL 15."""
    found = Company(empty_database_url, f"ordinary_{uuid4().hex[:8]}")
    await found.run(
        f"CREATE ROLE {found.role} LOGIN PASSWORD 'p'", "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    )
    yield found
    await found.run(f"DROP OWNED BY {found.role}", f"DROP ROLE {found.role}")


@asynccontextmanager
async def the_shop(url: str, schema: str = "public") -> AsyncIterator[DatabaseContainer]:
    """What the commands of the shop work with."""
    settings = DatabaseSettings(url=Secret(url), schema=schema)
    container = DatabaseContainer(settings=DatabaseCommandSettings(database=settings))
    yield container
    await container.engine().dispose()


@asynccontextmanager
async def the_inbox(url: str, schema: str = "delivery") -> AsyncIterator[InboxCommands]:
    """What the commands of the worker work with."""
    place = InboxPlaceSettings(database_url=Secret(url), database_schema=schema)
    container = InboxCommands(settings=InboxSettings(worker=place))
    yield container
    await container.engine().dispose()


async def sell(engine: AsyncEngine, schema: str = "public") -> None:
    """An order to the end: placed, paid, its events handed to Kafka and written back."""
    pipeline = Pipeline(engine, schema=schema)
    counter = a_shop(engine, FakePublisher(accepting=False), enqueue=pipeline.enqueue)
    await counter.stock([a_product()])
    order = await counter.place(a_command(("p-1", 2), coupon="NONE"))
    await counter.life.pay(paying(order))
    await pipeline.relay_all()
    assert pipeline.seqs() == [1, 2]


async def test_an_ordinary_role_with_a_schema_of_its_own_has_a_whole_shop(company: Company) -> None:
    """Both histories, the demo goods, an order to its end, readiness; nothing of it needs another right."""
    await company.run(f'CREATE SCHEMA "Shop-1" AUTHORIZATION {company.role}')
    async with the_shop(company.url, "Shop-1") as container:
        assert "at nothing: run `python -m app migrate`" in (await container.database_check().check()).detail
        await container.history().migrate(container.engine())
        assert (await container.database_check().check()).status is Status.OK
        await sell(container.engine(), "Shop-1")
        assert await container.outbox_operations().dead() == []
    async with the_inbox(company.url, "Shop-1") as inbox:
        assert "run `python -m worker migrate`" in (await inbox.database_check().check()).detail
        await inbox.history().migrate(inbox.engine())
        assert (await inbox.database_check().check()).status is Status.OK
        assert await inbox.stuck_events().listed(Filter()) == []
    elsewhere = "schemaname NOT IN ('Shop-1', 'pg_catalog', 'information_schema')"
    assert await company.value(f"SELECT count(*) FROM pg_tables WHERE {elsewhere}") == 0  # noqa: S608


async def test_a_missing_right_is_one_sentence_with_the_grant_that_mends_it(company: Company) -> None:
    """To create tables in a schema that is there, and to create one that is not."""
    done = await run_command("app", "migrate", DATABASE_URL=company.url)
    assert (done.code, done.out) == (1, "")
    (sentence,) = done.err.splitlines()
    assert f'GRANT USAGE, CREATE ON SCHEMA "public" TO "{company.role}"' in sentence
    async with the_inbox(company.url) as inbox:
        with pytest.raises(
            MigrationRefusedError, match=f'CREATE SCHEMA "delivery" AUTHORIZATION "{company.role}"'
        ):
            await inbox.history().migrate(inbox.engine())


async def test_a_role_that_may_only_read_and_write_serves_what_an_owner_has_migrated(
    company: Company,
) -> None:
    """It cannot change the schema, and `migrate` at the head asks nothing of it."""
    async with the_shop(company.owner_url) as owner:
        head = await owner.history().migrate(owner.engine())
    async with the_shop(company.url) as container:
        assert "The role may not read" in (await container.database_check().check()).detail
        await company.run(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {company.role}"
        )
        assert (await container.database_check().check()).status is Status.OK
        assert await container.history().migrate(container.engine()) == head
        await sell(container.engine())


async def test_an_installation_of_an_older_build_is_adopted(company: Company) -> None:
    """Its revision goes on in the new table; the former row follows, for builds that still look there."""
    async with the_shop(company.owner_url) as container:
        history, engine = container.history(), container.engine()
        await EarlierHistory("app", upto=EARLIER).migrate(engine)
        await company.run(*as_before(EARLIER))
        assert "at nothing" in (await container.database_check().check()).detail
        assert await history.migrate(engine) == history.head()
        assert (await container.database_check().check()).status is Status.OK
    assert await company.value(f"SELECT version_num FROM {VERSION}") == history.head()  # noqa: S608
    assert await company.value("SELECT version_num FROM alembic_version") == history.head()
    assert await company.value("SELECT count(*) FROM outbox_audit") == 0


async def test_an_adoption_whose_migration_fails_leaves_all_as_it_was(company: Company) -> None:
    """One transaction: here the next step's table is there already, and somebody else's."""
    async with the_shop(company.owner_url) as container:
        await EarlierHistory("app", upto=EARLIER).migrate(container.engine())
        await company.run(*as_before(EARLIER), "CREATE TABLE outbox_audit (mine text)")
        with pytest.raises(MigrationRefusedError, match="DATABASE_SCHEMA"):
            await container.history().migrate(container.engine())
    assert await company.value(f"SELECT to_regclass('{VERSION}')") is None
    assert await company.value("SELECT version_num FROM alembic_version") == EARLIER


@pytest.mark.parametrize("revision", ["ae1027a6acf", EARLIER])
async def test_the_version_of_another_program_is_not_ours(company: Company, revision: str) -> None:
    """Not taken for a newer build, not even under a revision of ours; never touched."""
    await company.run(
        "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL)",
        f"INSERT INTO alembic_version VALUES ('{revision}')",  # noqa: S608
    )
    async with the_shop(company.owner_url) as container:
        assert (await container.database_check().check()).status is Status.UNREADY
        assert await container.history().migrate(container.engine()) == container.history().head()
        assert (await container.database_check().check()).status is Status.OK
    assert await company.value("SELECT version_num FROM alembic_version") == revision


async def test_two_shops_in_one_database_do_not_know_each_other(company: Company) -> None:
    """Each has a version and orders of its own."""
    await company.run("CREATE SCHEMA left_shop", "CREATE SCHEMA right_shop")
    async with (
        the_shop(company.owner_url, "left_shop") as left,
        the_shop(company.owner_url, "right_shop") as right,
    ):
        for each in (left, right):
            await each.history().migrate(each.engine())
        await sell(left.engine(), "left_shop")
        assert (await right.database_check().check()).status is Status.OK
    assert await company.value("SELECT count(*) FROM left_shop.orders") == 1
    assert await company.value("SELECT count(*) FROM right_shop.orders") == 0


async def test_readiness_sees_a_table_that_was_lost(company: Company) -> None:
    """The version alone says nothing about a restore that left tables out."""
    async with the_shop(company.owner_url) as container:
        await container.history().migrate(container.engine())
        await company.run("DROP TABLE stock_audit", "ALTER TABLE coupon_uses RENAME TO mine")
        found = await container.database_check().check()
        assert found.status is Status.UNREADY
        assert "lost tables (coupon_uses, stock_audit)" in found.detail
        await company.run(f"DELETE FROM {VERSION}")  # noqa: S608
        assert "at nothing" in (await container.database_check().check()).detail


async def test_a_database_in_another_encoding_is_refused(empty_database_url: str) -> None:
    """Names of customers and goods would not fit into it, and fail one by one."""
    name = f"latin_{uuid4().hex[:8]}"
    encoded = "ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0"
    await execute(empty_database_url, f"CREATE DATABASE {name} {encoded}")
    engine = create_engine(database_address(empty_database_url, name), application_name="test")
    try:
        with pytest.raises(MigrationRefusedError, match="encoded in LATIN1, and must be in UTF8"):
            await History("app", made=(shop, outbox)).migrate(engine)
    finally:
        await engine.dispose()
        await execute(empty_database_url, f"DROP DATABASE {name}")


def as_before(revision: str) -> list[str]:
    """What makes of this build's installation one of a build that kept its version in `alembic_version`."""
    return [
        f"DROP TABLE {VERSION}",
        "CREATE TABLE alembic_version (version_num varchar(32) CONSTRAINT alembic_version_pkc PRIMARY KEY)",
        f"INSERT INTO alembic_version VALUES ('{revision}')",  # noqa: S608
    ]
