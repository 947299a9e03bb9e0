"""`python -m app catalogue import`, `catalogue audit` and `stock add` as an operator meets them."""

import json
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from app.application.catalogue_import import CatalogueImport, ImportRequest
from app.application.catalogue_ports import StockMovement
from app.application.stock_keeping import StockKeeping
from app.command_container import make_id
from app.domain.product import Product
from app.persistence.catalogue_work import SqlCatalogueTransactions
from kits.postgres.engine import create_engine
from tests.builders import a_coupon
from tests.commands import Ended, run_command

LINES = [
    {"type": "product", "id": "p-1", "name": "Espresso beans", "price": 1500, "currency": "KRW", "stock": 5},
    {"type": "product", "id": "p-2", "name": "Filter papers", "price": 200, "currency": "KRW"},
    {"type": "coupon", "code": "TEN", "kind": "percent", "value": 10},
]
NOTHING_NEW = "Products: 0 new, 0 changed, 2 unchanged. Coupons: 0 new, 0 changed, 1 unchanged.\n"


async def app(url: str, *words: str, given: bytes = b"") -> Ended:
    """A command on this database."""
    return await run_command("app", *words, given=given, DATABASE_URL=url)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A small catalogue."""
    path = tmp_path / "autumn.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in LINES))
    return path


async def test_an_import_tells_what_it_did_and_repeating_it_does_nothing(
    database_url: str, file: Path
) -> None:
    """Dry, in earnest, and again from standard input."""
    done = "Products: 2 new, 0 changed, 0 unchanged. Coupons: 1 new, 0 changed, 0 unchanged.\n"
    dry = await app(database_url, "catalogue", "import", str(file), "--dry-run")
    assert dry[:2] == (0, f"Nothing was written; an import would do this. {done}")
    assert (await app(database_url, "catalogue", "import", str(file), "--by", "anna"))[:2] == (0, done)
    again = await app(database_url, "catalogue", "import", "-", given=file.read_bytes())
    assert again[:2] == (0, NOTHING_NEW)


async def test_all_wrong_lines_are_told_and_nothing_is_written(database_url: str, file: Path) -> None:
    """On stderr, with exit code 1 and no traceback."""
    file.write_text(file.read_text() + '\n{"type":"product"}\nnonsense\n')
    code, out, err = await app(database_url, "catalogue", "import", str(file))
    assert (code, out) == (1, "")
    assert [line.split(":")[0] for line in err.splitlines()] == ["line 4", "line 5"]
    file.write_text("")
    assert (await app(database_url, "catalogue", "import", str(file)))[0] == 0
    code, _, err = await app(database_url, "catalogue", "import", str(file) + ".missing")
    assert (code, "Traceback" in err) == (1, False)


async def test_stock_is_moved_refused_and_audited(database_url: str, file: Path) -> None:
    """The system's user is named unless another is."""
    await app(database_url, "catalogue", "import", str(file))
    moved = await app(database_url, "stock", "add", "p-1", "7", "--reason", "delivery 12", "--by", "anna")
    assert moved[:2] == (0, "Product p-1 has 12 pieces now (+7).\n")
    moved = await app(database_url, "stock", "add", "p-1", "-2", "--reason", "broken")
    assert moved[:2] == (0, "Product p-1 has 10 pieces now (-2).\n")
    code, out, err = await app(database_url, "stock", "add", "p-1", "-11", "--reason", "counted")
    assert (code, out, "has 10 pieces" in err) == (1, "", True)
    assert (await app(database_url, "stock", "add", "p-9", "1", "--reason", "x"))[0] == 1
    for wrong in (["0", "--reason", "x"], ["1"], ["1", "--reason", " "], ["many", "--reason", "x"]):
        assert (await app(database_url, "stock", "add", "p-1", *wrong))[0] == 2
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch(
        "SELECT actor <> '', delta, stock_after, reason FROM stock_audit ORDER BY at"
    )
    await connection.close()
    assert [tuple(row)[1:] for row in rows] == [
        (5, 5, "opening stock, imported from autumn.jsonl"),
        (7, 12, "delivery 12"),
        (-2, 10, "broken"),
    ]
    assert all(row[0] for row in rows)


async def test_the_audit_tells_who_changed_what_newest_first(database_url: str) -> None:
    """Of one product with its stock, as lines; of one coupon in any spelling, as JSON."""
    engine = create_engine(database_url, application_name="test", pool_size=1)
    transactions = SqlCatalogueTransactions(engine)
    imports = CatalogueImport(transactions, make_id)
    product, coupons = Product("p-1", "One", 1500, "KRW", 5), [a_coupon("TEN")]
    await imports.run(ImportRequest([product], coupons, "anna", "autumn.jsonl"))
    await imports.run(ImportRequest([replace(product, price=1600)], coupons, "ben", "winter.jsonl"))
    await StockKeeping(transactions).add(StockMovement(make_id(), "p-1", -2, "carl", "broken"))
    await engine.dispose()
    code, out, _ = await app(database_url, "catalogue", "audit", "--product", "p-1")
    lines = [line.partition("  ")[2] for line in out.splitlines()]
    assert (code, lines) == (
        0,
        [
            "carl  stock p-1  -2 makes 3  (broken)",
            "ben  product p-1  price 1500 -> 1600  (winter.jsonl)",
            "anna  stock p-1  +5 makes 5  (opening stock, imported from autumn.jsonl)",
            "anna  product p-1  new: id p-1, name One, price 1500, stock 5, currency KRW  (autumn.jsonl)",
        ],
    )
    _, out, _ = await app(database_url, "catalogue", "audit", "--coupon", "ten", "--json")
    (only,) = json.loads(out)
    assert (only["by"], only["subject"], only["after"]["value"]) == ("anna", "TEN", 10)
