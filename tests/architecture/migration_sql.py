"""The SQL of each migration, and what of it an older build that still runs would not survive."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from types import ModuleType

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory

from tests.architecture.source import ROOT

HISTORIES = ("app", "worker", "members", "sales", "conduit_auth", "conduit_articles", "conduit_profiles")
SCHEMA = "a-schema"
_NAME = r'(?:"?[\w-]+"?\.)?"?(\w+)"?'
_CREATED = re.compile(rf"\bCREATE TABLE (?:IF NOT EXISTS )?{_NAME}", re.IGNORECASE)
_ALTERED = re.compile(rf"\bALTER TABLE (?:IF EXISTS )?(?:ONLY )?{_NAME}", re.IGNORECASE)
_INDEXED = re.compile(rf"\bCREATE UNIQUE INDEX\b.*? ON (?:ONLY )?{_NAME}", re.IGNORECASE)
_ALWAYS = {
    "takes away what the older build uses": r"\bDROP (?!NOT NULL\b|CONSTRAINT (?:IF EXISTS )?ck_)",
    "renames what the older build uses": r"\bRENAME\b",
    "changes a type under the older build": r"\bALTER (?:COLUMN )?\S+ (?:SET DATA )?TYPE\b",
    "refuses rows that the older build writes": r"\bSET NOT NULL\b",
    "deletes data": r"\b(?:TRUNCATE|DELETE FROM)\b",
}
_NAMED = re.compile(
    r"\b(?:TABLE|INSERT INTO|UPDATE|FROM|JOIN|REFERENCES|INDEX \w+ ON)"
    r" (?:IF (?:NOT )?EXISTS |ONLY )*(?!\(|unnest)([^\s(),;]+)",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r",\s*(?=(?:ADD|ALTER|DROP)\b)", re.IGNORECASE)
_RULE = re.compile(r"\bADD (?:CONSTRAINT|PRIMARY|UNIQUE|CHECK|FOREIGN|EXCLUDE)\b", re.IGNORECASE)
_OBLIGATORY = re.compile(r"\bADD (?!CONSTRAINT\b).*\bNOT NULL\b", re.IGNORECASE)
_FILLED = re.compile(r"\b(?:DEFAULT|GENERATED)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of a history."""

    history: str
    revision: str
    module: ModuleType
    statements: tuple[str, ...]

    @property
    def contract(self) -> str:
        """Why no build that still runs needs what this step takes away; empty for an expand step."""
        return str(getattr(self.module, "CONTRACT", ""))


def histories() -> dict[str, ScriptDirectory]:
    """The histories of all processes."""
    ini = str(ROOT / "alembic.ini")
    return {name: ScriptDirectory.from_config(Config(ini, ini_section=name)) for name in HISTORIES}


def migrations() -> Iterator[Migration]:
    """Every step of all histories, as the SQL that it would run."""
    for history, script in histories().items():
        for step in script.walk_revisions():
            buffer = StringIO()
            options = {"as_sql": True, "output_buffer": buffer, "version_table_schema": SCHEMA}
            context = MigrationContext.configure(dialect_name="postgresql", opts=options)
            with Operations.context(context):
                step.module.upgrade()
            yield Migration(history, step.revision, step.module, tuple(statements_of(buffer.getvalue())))


def statements_of(sql: str) -> list[str]:
    """Single statements on one line each, without comments and texts."""
    bare = re.sub(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", "''", sql, flags=re.DOTALL)
    return [" ".join(one.split()) for one in bare.split(";") if one.strip()]


def unqualified(statements: tuple[str, ...]) -> list[str]:
    """Names of tables that stand without the history's schema."""
    names = [name for one in statements for name in _NAMED.findall(one)]
    return [name for name in names if not name.startswith(f'"{SCHEMA}".')]


def breaks(statements: tuple[str, ...]) -> list[str]:
    """What an older build would not survive; what happens to tables born in the same step is nobody's."""
    born = {match[1] for one in statements if (match := _CREATED.search(one))}
    return [f"{reason}: {one[:120]}" for one in statements for reason in _reasons(one, born)]


def _reasons(statement: str, born: set[str]) -> Iterator[str]:
    altered = _ALTERED.search(statement)
    if altered and altered[1] in born:
        return
    for reason, pattern in _ALWAYS.items():
        if re.search(pattern, statement, re.IGNORECASE):
            yield reason
    for clause in _CLAUSE.split(statement) if altered else ():
        if _RULE.search(clause):
            yield "refuses rows that the older build writes"
        elif _OBLIGATORY.search(clause) and not _FILLED.search(clause):
            yield "needs a value that the older build does not write"
    indexed = _INDEXED.search(statement)
    if indexed and indexed[1] not in born:
        yield "refuses rows that the older build writes"
