"""Tables may lie in any schema: every statement of the driver's way names the one that its engine says."""

import importlib
import pkgutil
import re
from types import ModuleType

import pytest

import app.outbox
import app.persistence
from app.persistence.tables import orders
from kits.postgres.driver import DriverStatement
from kits.postgres.schema import metadata

MOVED = (("public", "Shop-1"), ("delivery", "ledger"))
# A name with a bracket behind it is a function; EXTRACT(epoch FROM …) has one too.
UNQUALIFIED = re.compile(r'\b(?:FROM|JOIN|INTO|UPDATE) (?!"Shop-1"\.|ledger\.)([a-z]\w*)\b(?! ?\()')
INSERTED = re.compile(r'\bINTO (?!"Shop-1"\.|ledger\.)([a-z]\w*)')


def statements() -> list[tuple[str, DriverStatement]]:
    """Every one that a module of the product holds, with its name."""
    found = []
    for package in (app.persistence, app.outbox):
        for each in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            module: ModuleType = importlib.import_module(each.name)
            held = vars(module).items()
            found += [
                (f"{each.name}.{name}", value) for name, value in held if isinstance(value, DriverStatement)
            ]
    return found


@pytest.mark.parametrize(("name", "statement"), statements(), ids=[name for name, _ in statements()])
def test_a_statement_names_the_schema_it_is_told(name: str, statement: DriverStatement) -> None:
    """And no other; what stands alone is a row set of the statement's own."""
    moved = statement.text_in(MOVED)
    assert re.findall(r"(?<!\.)\b(?:public|delivery)\.", moved) == []
    names = {*re.findall(r"\bWITH (\w+) AS|, (\w+) AS \(|AS (\w+)", moved)}
    own = {each for found in names for each in found if each}
    assert set(UNQUALIFIED.findall(moved)) <= own
    assert INSERTED.findall(moved) == []
    assert statement.text_in(()) is statement.text
    assert statement.text_in(MOVED) is moved


def test_a_table_always_has_a_schema() -> None:
    """Or its name would depend on the search_path of a role."""
    assert orders.schema == "public"
    assert metadata().schema == "public"
