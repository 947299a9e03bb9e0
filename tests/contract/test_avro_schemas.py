"""The Avro schemas that are committed, and the check that keeps a change from breaking a reader."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.avro_schemas import FOLDER, PUBLISHED, avro_file, avro_schemas, published_files, subjects
from contracts.json_schemas import SCHEMAS
from contracts.schema_check import faults
from devservices.instance import ROOT
from tests.waiting import patient

PAID = 'class PaidOrderV1(OrderTermsV1, frozen=True, kw_only=True, rename="camel"):\n'
PRICE = "    unit_price: MinorUnits\n"
DOC = '    """An order that was paid; `total` is what was paid."""\n'


def test_every_event_has_a_schema_and_every_schema_an_event() -> None:
    """Each with its published versions, and a subject of its own."""
    schemas = avro_schemas()
    assert set(SCHEMAS) <= set(schemas)
    assert {file.name for file in FOLDER.glob("*.avsc")} == {
        avro_file(each).name for each in schemas.values()
    }
    published = {file.name for each in schemas.values() for file in published_files(each)}
    assert {file.name for file in PUBLISHED.iterdir()} == published
    assert len(set(subjects().values())) == len(schemas)
    for ce_type, schema in schemas.items():
        assert subjects()[ce_type] == f"{schema['namespace']}.{schema['name']}"


def test_all_schemas_may_be_used() -> None:
    """As `python -m contracts schemas check` says."""
    assert [fault for each in avro_schemas().values() for fault in faults(each)] == []


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The contracts and what they stand on, to be changed."""
    for folder in ("contracts", "kits"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def change(copy: Path, old: str, new: str) -> None:
    """Change the structs of orders."""
    file = copy / "contracts" / "order_events.py"
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")


def contracts(copy: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command there, without any network's address."""
    command = [sys.executable, "-m", "contracts", *words]
    return subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False, timeout=patient(60))


@pytest.mark.parametrize(
    ("old", "new", "rule", "field"),
    [
        pytest.param(
            PAID + DOC, f"{PAID}{DOC}    method: str\n", "MISSING_DEFAULT", "$.order.method", id="required"
        ),
        pytest.param(PRICE, "", "MISSING_DEFAULT", "unitPrice", id="gone"),
        pytest.param(
            PRICE, PRICE.replace("MinorUnits", "str"), "TYPE_MISMATCH", "unitPrice", id="another type"
        ),
        pytest.param(PRICE, PRICE.replace("unit", "the"), "MISSING_DEFAULT", "thePrice", id="renamed"),
    ],
)
def test_a_change_that_breaks_a_reader_fails_with_the_field_and_the_rule(
    copy: Path, old: str, new: str, rule: str, field: str
) -> None:
    """Offline, whether or not somebody has written the files anew."""
    change(copy, old, new)
    done = contracts(copy)
    assert done.returncode == 1
    assert field in done.stderr
    assert rule.lower() in re.sub("[^a-z]", "_", done.stderr.lower())
    assert "next version" in done.stderr
    assert len(list((copy / "contracts/avro/published").iterdir())) == len(list(PUBLISHED.iterdir()))


def test_a_new_field_that_may_be_missing_is_the_next_version_of_its_schema(copy: Path) -> None:
    """The check asks for the files, and the command writes them."""
    change(copy, PAID + DOC, PAID + DOC + "    method: str | None = None\n")
    before = contracts(copy, "schemas", "check")
    assert (before.returncode, "run `python -m contracts`" in before.stderr) == (1, True)
    assert (contracts(copy).returncode, contracts(copy, "schemas", "check").returncode) == (0, 0)
    newest = copy / "contracts/avro/published/OrderPaidV1.3.avsc"
    assert newest.read_text() == (copy / "contracts/avro/OrderPaidV1.avsc").read_text()
    assert "method" in newest.read_text()


def test_a_published_version_that_was_changed_is_found(copy: Path) -> None:
    """Somebody has written with it."""
    file = copy / "contracts/avro/published/UserCreated.1.avsc"
    file.write_text(file.read_text().replace('"email"', '"mail"'))
    done = contracts(copy, "schemas", "check")
    assert (done.returncode, "$.email" in done.stderr) == (1, True)
