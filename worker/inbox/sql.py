"""Inbox, SQL: statements that are written as text name its tables and conditions by words."""

from string import Template

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.postgres.driver import DriverStatement
from kits.postgres.schema import qualified
from worker.inbox.table import DEAD, TO_COPY, WAITING, inbox

_CONDITIONS = {"waiting": WAITING.text, "dead": DEAD.text, "to_copy": TO_COPY.text}


def statement(engine: AsyncEngine, template: str, **words: str) -> DriverStatement:
    """A statement in which `$inbox_event` … are the tables as this engine finds them, `$waiting`, `$dead` and
    `$to_copy` the conditions of table.py, and others are `words`, which may contain words themselves."""
    tables = {table.name: qualified(table, engine) for table in inbox.tables.values()}
    while (filled := Template(template).safe_substitute(_CONDITIONS | words)) != template:
        template = filled
    # Once: a schema's name may have a `$` of its own.
    return DriverStatement(text(Template(template).substitute(tables)))
