"""Migrations expand first and contract in a later release: the build that still runs survives each step.

An expand step adds tables, nullable columns, columns with a default, indexes. What takes something away is a
contract step: it belongs into a release after the last build that uses it, and says so in the migration as
`CONTRACT = "why no running build needs it"`.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from tests.architecture.migration_sql import (
    HISTORIES,
    breaks,
    histories,
    migrations,
    statements_of,
    unqualified,
)
from tests.architecture.source import ROOT
from tests.waiting import patient

MESSAGES = [
    "notes of an order",
    'say "why" \\ and how',
    "",
    "a message that is longer than a line may be, " * 4,
]


def test_each_history_is_one_line() -> None:
    """Two heads would stop every `migrate`."""
    heads = {name: len(script.get_heads()) for name, script in histories().items()}
    assert heads == dict.fromkeys(HISTORIES, 1)


def test_no_step_breaks_the_build_before_it_unless_it_is_a_contract_step() -> None:
    """New and old processes run side by side during a deploy, and after a roll-back."""
    found = {each.revision: breaks(each.statements) for each in migrations() if not each.contract}
    assert {revision: said for revision, said in found.items() if said} == {}


@pytest.mark.parametrize("history", HISTORIES)
def test_a_new_step_made_from_the_template_passes_the_checks(history: str, tmp_path: Path) -> None:
    """`.venv/bin/alembic -n app revision -m "…"`, whatever the message."""
    copy = tmp_path / "migrations" / history
    shutil.copytree(ROOT / "migrations" / history, copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    config = Config(str(ROOT / "alembic.ini"), ini_section=history)
    config.set_main_option("script_location", str(copy))
    made = [command.revision(config, message) for message in MESSAGES]
    paths = [step.path for step in made if step and not isinstance(step, list)]
    assert len(paths) == len(MESSAGES)
    for check in (["check"], ["format", "--check"]):
        ruff = [str(Path(sys.executable).with_name("ruff")), *check, "--no-cache", *paths]
        done = subprocess.run(
            ruff, cwd=tmp_path, capture_output=True, text=True, timeout=patient(60), check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_step_bounds_its_waits_first() -> None:
    """A migration that queues for a lock stops every order behind it: it gives up after 3 s instead."""
    for each in migrations():
        first, second = each.statements[:2]
        assert first.startswith("SET LOCAL lock_timeout"), each.revision
        assert second.startswith("SET LOCAL statement_timeout"), each.revision


def test_every_name_is_qualified_by_the_schema_of_its_history() -> None:
    """The tables may lie in any schema: `{schema}.orders`, run by kits.postgres.migration_steps."""
    found = {each.revision: unqualified(each.statements) for each in migrations()}
    assert {revision: names for revision, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE orders (id text)",
        "ALTER TABLE IF EXISTS orders ADD COLUMN note text",
        "CREATE INDEX ix ON orders (id)",
        'CREATE TABLE "a-schema".notes (id uuid REFERENCES orders)',
        "UPDATE orders SET total = 1",
        'INSERT INTO "a-schema".notes SELECT id FROM orders',
    ],
)
def test_a_name_that_depends_on_the_search_path_is_reported(sql: str) -> None:
    """A check that cannot fail is no check."""
    assert unqualified(tuple(statements_of(sql))) == ["orders"]


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE orders",
        "drop index ix_orders",
        "ALTER TABLE orders DROP COLUMN lines",
        "ALTER TABLE orders ALTER COLUMN total DROP DEFAULT",
        "ALTER TABLE orders DROP CONSTRAINT uq_orders",
        "ALTER TABLE orders RENAME TO purchases",
        "ALTER TABLE orders RENAME COLUMN total TO sum",
        "ALTER TABLE orders ALTER COLUMN total TYPE numeric",
        "ALTER TABLE orders ALTER total SET DATA TYPE numeric",
        "ALTER TABLE orders ALTER COLUMN coupon_code SET NOT NULL",
        "ALTER TABLE orders ADD COLUMN note text NOT NULL",
        "ALTER TABLE orders ADD note text DEFAULT '', ADD other text NOT NULL",
        "ALTER TABLE delivery.delivery ADD COLUMN note text NOT NULL",
        "ALTER TABLE orders ADD CONSTRAINT ck_orders_total CHECK (total > 5)",
        "ALTER TABLE orders ADD CHECK (total > 5)",
        "CREATE UNIQUE INDEX uq_orders_customer ON orders (customer_id)",
        "CREATE UNIQUE INDEX uq ON delivery.delivery USING btree (event_id)",
        "TRUNCATE orders",
        "DELETE FROM orders",
        "CREATE TABLE notes (id text); DROP TABLE orders",
        "CREATE TABLE notes (id text); ALTER TABLE orders DROP lines",
    ],
)
def test_what_an_older_build_would_not_survive_is_reported(sql: str) -> None:
    """A check that cannot fail is no check."""
    assert breaks(tuple(statements_of(sql)))


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE notes (id text NOT NULL PRIMARY KEY, order_id uuid NOT NULL REFERENCES orders)",
        "ALTER TABLE orders ADD COLUMN note text",
        "ALTER TABLE orders ADD COLUMN note text NOT NULL DEFAULT ''",
        "ALTER TABLE orders ADD COLUMN note text DEFAULT '' NOT NULL",
        "ALTER TABLE orders ALTER COLUMN lines DROP NOT NULL",
        "ALTER TABLE orders DROP CONSTRAINT ck_orders_total",
        "CREATE INDEX ix_orders_created_at ON orders (created_at)",
        "CREATE TABLE notes (id text); CREATE UNIQUE INDEX uq_notes ON notes (id)",
        "CREATE TABLE notes (id text); ALTER TABLE notes ADD CONSTRAINT pk_notes PRIMARY KEY (id)",
        "COMMENT ON TABLE orders IS 'DROP TABLE orders'",
        "UPDATE orders SET total = 1 -- RENAME\n",
    ],
)
def test_what_an_older_build_does_not_notice_is_allowed(sql: str) -> None:
    """Or nobody would heed the rule."""
    assert breaks(tuple(statements_of(sql))) == []
