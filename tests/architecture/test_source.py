"""Rules about the source that no linter knows, and proof that each of them can fail."""

from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

from tests.architecture import source
from tests.architecture.source import PACKAGES, PRODUCT, ROOT, Source, sources

MAY_END_TRANSACTIONS = (
    "app/persistence/",
    "app/outbox/operations.py",
    "worker/inbox/",
    "services/members/store.py",
    "conduit/auth/transactions.py",
    "kits/postgres/",
    "kits/schemas/known_schemas.py",
)


def test_each_module_opens_with_its_stage_and_job() -> None:
    """A reader learns from the first line whether this is the file to read."""
    assert [name for each in sources(*PACKAGES) for name in source.missing_docstring(each)] == []


def test_no_import_hides_in_a_function_and_none_is_relative() -> None:
    """What a module needs stands at its top, by its full name."""
    assert [place for each in sources(*PACKAGES, "tests") for place in source.hidden_imports(each)] == []


def test_the_domain_imports_the_standard_library_only() -> None:
    """Its rules can be read, run and tested without anything else."""
    assert [
        place for each in sources("app/domain") for place in source.foreign_imports(each, "app.domain")
    ] == []


def test_only_the_unit_of_work_and_the_stores_begin_and_commit() -> None:
    """Whoever looks for the end of a transaction looks there."""
    outside = [each for each in sources(*PRODUCT) if not each.name.startswith(MAY_END_TRANSACTIONS)]
    # Kafka's commit() moves an offset, no transaction ends; begin() opens a partition, or a ledger's entry.
    outside = [each for each in outside if each.name != "worker/group.py"]
    ends = [place for each in outside for place in source.transaction_ends(each)]
    assert [place for place in ends if not place.startswith(("kits/kafka/", "kits/rpc", "worker/"))] == []
    assert [place for place in ends if place.startswith("worker/") and ".begin" in place] == []


def test_no_module_owns_a_client_an_engine_settings_or_metrics() -> None:
    """Objects are built in the containers."""
    assert [place for each in sources(*PRODUCT) for place in source.owned_at_import(each)] == []


def test_no_folder_or_module_is_a_drawer() -> None:
    """utils, common, lib, helpers, base and misc say nothing about what is inside."""
    assert [place for each in sources(*PACKAGES, "tests") for place in source.drawers(each)] == []


def test_files_are_small() -> None:
    """One idea each: 250 lines at most, 400 for tests, and most far below."""
    product = sources(*PACKAGES)
    assert [(each.name, each.lines) for each in product if each.lines > 250] == []
    assert [(each.name, each.lines) for each in sources("tests") if each.lines > 400] == []
    assert median(each.lines for each in product if each.path.name != "__init__.py") <= 100


def test_functions_are_short() -> None:
    """Sixty lines at most, a median of ten or fewer."""
    lengths = [length for each in sources(*PACKAGES) for length in source.function_lines(each)]
    assert [(name, lines) for name, lines in lengths if lines > 60] == []
    assert median(lines for _, lines in lengths) <= 10


@pytest.mark.parametrize("process", ["app", "worker", "services/members", "services/sales"])
def test_no_class_name_stands_twice_in_a_process(process: str) -> None:
    """Whoever reads a name in a trace, a log or a document finds one class by it."""
    assert source.twins(sources(process, "contracts", "kits")) == []


@pytest.mark.parametrize("process", ["gateway", "auth", "articles", "profiles"])
def test_no_class_name_stands_twice_in_a_process_of_conduit(process: str) -> None:
    """It shares its own contract and the kits."""
    assert source.twins(sources(f"conduit/{process}", "conduit/contracts", "kits")) == []


@pytest.mark.parametrize(
    ("rule", "planted"),
    [
        (source.missing_docstring, "x = 1\n"),
        (source.hidden_imports, "def f():\n    import json\n"),
        (source.hidden_imports, "from . import sibling\n"),
        (lambda each: source.foreign_imports(each, "app.domain"), "import msgspec\n"),
        (lambda each: source.foreign_imports(each, "app.domain"), "from kits.settings import Secret\n"),
        (source.transaction_ends, "async def f(connection):\n    await connection.commit()\n"),
        (source.transaction_ends, "async def f(engine):\n    async with engine.begin():\n        pass\n"),
        (source.owned_at_import, "engine = create_engine('x')\n"),
        (source.owned_at_import, "SETTINGS: object = read_settings(S, {})\n"),
        (source.owned_at_import, "http = aiohttp.ClientSession()\n"),
    ],
)
def test_each_rule_reports_what_is_planted(rule: Callable[[Source], list[str]], planted: str) -> None:
    """A check that cannot fail is no check."""
    assert rule(Source(Path("app/planted.py"), planted))


def test_the_drawer_and_length_rules_report_what_is_planted() -> None:
    """By folder, by module, and by function."""
    assert source.drawers(Source(Path("app/utils/orders.py"), ""))
    assert source.drawers(Source(Path("app/helpers.py"), ""))
    long = "def f():\n" + "    pass\n" * 70
    assert source.function_lines(Source(Path("app/long.py"), long))[0][1] == 71


def test_the_rule_of_class_names_reports_what_is_planted() -> None:
    """Both places are named."""
    two = [Source(Path(f"kits/{name}.py"), "class Lane:\n    pass\n") for name in ("one", "two")]
    assert source.twins(two) == ["Lane: kits/one.py, kits/two.py"]


def test_no_folder_of_tests_is_a_package_without_those_above_it() -> None:
    """Two files of one name would be one module then, and pytest runs the first of them twice."""
    packages = {each.parent for each in (ROOT / "tests").rglob("__init__.py")}
    orphans = [each for each in packages if each.name != "tests" and each.parent not in packages]
    assert [str(each.relative_to(ROOT)) for each in orphans] == []
