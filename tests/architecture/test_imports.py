"""The import rules hold, and each of them reports an import that breaks it."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGES, ROOT
from tests.waiting import patient

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
NAMES = {contract["id"]: contract["name"] for contract in CONTRACTS}

# Rule -> imports that break it: (the module that gets the line, the module that it must not import).
WRONG_IMPORTS: dict[str, list[tuple[str, str]]] = {
    "house": [
        ("app.cli.program", "worker.cli.program"),
        ("worker.cli.program", "app.cli.program"),
        ("services.members.users", "app.domain.money"),
        ("app.domain.money", "services.members.ports"),
        ("kits.settings", "contracts.topics"),
    ],
    "app-layers": [
        ("app.domain.order", "app.application.commands"),
        ("app.application.commands", "app.persistence.tables"),
        ("app.api.orders", "app.persistence.orders"),
        ("app.persistence.orders", "app.outbox.table"),
        ("app.clients.member_api", "app.persistence.tables"),
        ("app.outbox.table", "app.container"),
    ],
    "worker-layers": [
        ("worker.inbox.table", "worker.container"),
        ("worker.inbox.item", "worker.groups.data_platform.answers"),
        ("worker.group", "worker.inbox.item"),
        ("worker.runner", "worker.groups.topics"),
        ("worker.command_container", "worker.container"),
        ("worker.settings", "worker.groups.data_platform.settings"),
    ],
    "members-layers": [
        ("services.members.users", "services.members.store"),
        ("services.members.api.doors", "services.members.outbox.events"),
        ("services.members.store", "services.members.outbox.table"),
        ("services.members.ports", "services.members.users"),
    ],
    "members-doors": [("services.members.api.doors", "kits.postgres.engine")],
    "members-use-cases": [
        ("services.members.users", "kits.postgres.schema"),
        ("services.members.ports", "contracts.member_events"),
    ],
    "sales-layers": [
        ("services.sales.builds", "services.sales.metrics"),
        ("services.sales.table.store", "services.sales.stream.topology"),
        ("services.sales.stream.watch", "services.sales.rebuild"),
    ],
    "sales-doors": [("services.sales.api.schemas", "kits.kafka.records")],
    "sales-stream": [("services.sales.stream.engine", "kits.postgres.engine")],
    "sales-topology": [
        ("services.sales.stream.topology", "quixstreams"),
        ("services.sales.stream.reading", "kits.kafka.records"),
    ],
    "services": [
        ("services.members.users", "services.sales.builds"),
        ("services.sales.table.store", "services.members.store"),
    ],
    "conduit-layers": [("conduit.contracts.users", "conduit.auth")],
    "conduit-service-layers": [
        ("conduit.articles.service.articles", "conduit.articles.store.tables"),
        ("conduit.articles.slugs", "conduit.articles.ports"),
        ("conduit.profiles.service", "conduit.profiles.store"),
        ("conduit.profiles.store", "conduit.profiles.controller"),
        ("conduit.profiles.ports", "conduit.profiles.service"),
        ("conduit.auth.passwords", "conduit.auth.store"),
        ("conduit.auth.outbox", "conduit.auth.transactions"),
    ],
    "conduit-use-cases": [
        ("conduit.articles.slugs", "kits.postgres.driver"),
        ("conduit.profiles.service", "kits.postgres.driver"),
        ("conduit.auth.service", "kits.outbox.recording"),
    ],
    "conduit-contracts": [("conduit.contracts.users", "kits.postgres.schema")],
    "gateway-layers": [
        ("conduit.gateway.api.users", "conduit.gateway.graphql.told"),
        ("conduit.gateway.services.auth_service", "conduit.gateway.api.schemas"),
        ("conduit.gateway.checking", "conduit.gateway.backend"),
    ],
    "gateway-stateless": [("conduit.gateway.backend", "kits.postgres.engine")],
    "gateway-doors": [
        ("conduit.gateway.api.tags", "kits.kafka.records"),
        ("conduit.gateway.services.article_service", "kits.rpc.client"),
    ],
    "kit-layers": [
        ("kits.ordered_queue.ports", "kits.outbox.recording"),
        ("kits.kafka.records", "kits.postgres.schema"),
        ("kits.web.probes", "kits.kafka.records"),
        ("kits.terminal.progress", "kits.web.probes"),
        ("kits.rpc.ledger", "kits.schemas.registry"),
        ("kits.process.waiting", "kits.web.tokens.verifier"),
        ("kits.resilience.retry", "kits.process.background"),
        ("kits.env_file", "kits.observability.logs"),
    ],
    "queue-kits": [
        ("kits.ordered_queue.item", "kits.kafka.records"),
        ("kits.ordered_queue.sql_store", "kits.web.tokens.verifier"),
    ],
    "outbox-kit": [
        ("kits.outbox.kafka_sink", "kits.web.probes"),
        ("kits.outbox.topics", "kits.terminal.printing"),
    ],
    "queue-core": [
        ("kits.ordered_queue.lane", "kits.postgres.schema"),
        ("kits.ordered_queue.queue", "kits.ordered_queue.sql_store"),
    ],
    "rpc-kits": [("kits.rpc.server", "kits.postgres.engine"), ("kits.rpc.ledger", "kits.web.probes")],
    "patterns-pure": [("kits.rpc.patterns", "kits.kafka.records"), ("kits.rpc.errors", "aiokafka")],
    "no-circles": [("app.domain.money", "app.domain.order")],
    "use-cases": [
        ("app.application.order_queries", "kits.postgres.engine"),
        ("app.application.commands", "app.settings"),
    ],
    "pure-domain": [("app.domain.product", "msgspec"), ("app.domain.coupon", "kits.settings")],
    "api-kits": [("app.api.products", "kits.kafka.records"), ("app.api.orders", "kits.postgres.errors")],
    "persistence-kits": [("app.persistence.tables", "kits.kafka.records")],
    "outbox-kits": [
        ("app.outbox.recorder", "app.domain.money"),
        ("app.outbox.table", "kits.web.tokens.verifier"),
    ],
    "contract-seam": [
        ("app.api.schemas", "contracts.topics"),
        ("app.application.order_facade", "contracts.topics"),
        ("app.persistence.orders", "contracts.envelope"),
    ],
    "consumer-groups": [
        ("worker.groups.order_status", "worker.groups.data_platform.answers"),
        ("worker.groups.data_platform.group", "worker.groups.order_status"),
        ("worker.groups.member_replica", "worker.groups.order_status"),
    ],
    "light-groups": [
        ("worker.groups.order_status", "kits.ordered_queue.item"),
        ("worker.groups.member_replica", "worker.inbox.table"),
        ("worker.groups.member_rebuild", "kits.ordered_queue.item"),
    ],
    "inbox-kits": [("worker.inbox.table", "kits.web.tokens.verifier"), ("worker.inbox.table", "aiohttp")],
    "product-alone": [
        ("kits.resilience.retry", "devservices.ports"),
        ("app.main", "chaos.checker"),
        ("app.cli.program", "bench.workloads"),
    ],
    "devservices-outside": [
        ("devservices.ports", "contracts.topics"),
        ("devservices.ports", "services.members.ports"),
        ("devservices.ports", "kits.settings"),
        ("devservices.status", "bench.workloads"),
    ],
    "judges-outside": [("bench.report", "judges.programs"), ("kits.settings", "judges.exchanges")],
    "judges-kits": [("judges.exchanges", "app.domain.money")],
    "door-litestar": [
        ("services.members.users", "litestar"),
        ("app.application.order_queries", "litestar"),
        ("bench.shop", "litestar"),
        ("conduit.gateway.backend", "litestar"),
    ],
    "door-sqlalchemy": [("app.outbox.recorder", "sqlalchemy"), ("worker.runner", "sqlalchemy")],
    "door-alembic": [("app.persistence.tables", "alembic")],
    "door-aiokafka": [("kits.outbox.kafka_sink", "aiokafka"), ("worker.runner", "aiokafka")],
    "door-di": [
        ("services.members.main", "dependency_injector"),
        ("app.main", "dependency_injector"),
        ("conduit.gateway.main", "dependency_injector"),
    ],
    "door-aiohttp": [
        ("worker.runner", "aiohttp"),
        ("app.application.order_queries", "aiohttp"),
        ("kits.web.tokens.verifier", "aiohttp"),
    ],
    "door-avro": [("contracts.topics", "avro"), ("kits.schemas.registry", "avro")],
    "schema-checks": [("app.main", "kits.schemas.compatibility")],
    "door-jwt": [("app.api.orders", "jwt")],
    "door-strawberry": [("conduit.gateway.api.tags", "strawberry"), ("conduit.gateway.main", "graphql")],
    "door-argon2": [("conduit.auth.service", "argon2")],
    "door-cryptography": [
        ("conduit.auth.service", "cryptography"),
        ("conduit.profiles.store", "cryptography"),
    ],
    "door-metrics": [("app.metrics", "prometheus_client")],
    "door-uvicorn": [("app.main", "uvicorn")],
    "door-quixstreams": [("services.sales.stream.process", "quixstreams"), ("kits.settings", "quixstreams")],
}


def lint(folder: Path) -> str:
    """What import-linter says about the packages in `folder`, as one line of words."""
    program = Path(sys.executable).with_name("lint-imports")
    command = [str(program), "--config", str(folder / "pyproject.toml"), "--no-cache"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=patient(200), check=False
    )
    return " ".join((done.stdout + done.stderr).split())


def verdict(report: str, rule: str) -> str:
    """KEPT or BROKEN."""
    _, found, after = report.partition(f"{NAMES[rule]} ")
    assert found, f"the rule {rule} is not in the report:\n{report}"
    return after.split()[0]


def test_every_rule_is_kept() -> None:
    """By the code as it stands."""
    report = lint(ROOT)
    assert {rule: verdict(report, rule) for rule in NAMES} == dict.fromkeys(NAMES, "KEPT")


def test_every_rule_has_a_planted_import() -> None:
    """A new rule comes with proof that it can be broken."""
    assert set(WRONG_IMPORTS) == set(NAMES)


@pytest.fixture(scope="module")
def report_on_planted_imports(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report on a copy of the packages in which every wrong import was planted."""
    copy = tmp_path_factory.mktemp("planted")
    shutil.copy(ROOT / "pyproject.toml", copy)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    for wrong_imports in WRONG_IMPORTS.values():
        for importer, imported in wrong_imports:
            plant(copy, importer, imported)
    return lint(copy)


def plant(folder: Path, importer: str, imported: str) -> None:
    """Append the import to its module, which must be there unless the plan is to add it."""
    path = folder.joinpath(*importer.split(".")).with_suffix(".py")
    assert path.exists() or path.stem == "planted", f"{importer} is gone: plant elsewhere"
    with path.open("a") as file:
        file.write(f"\nimport {imported}\n")


@pytest.mark.parametrize("rule", WRONG_IMPORTS)
def test_a_planted_import_breaks_its_rule_and_is_named(report_on_planted_imports: str, rule: str) -> None:
    """The report names the importer and the imported, so that the author knows which line to mend."""
    assert verdict(report_on_planted_imports, rule) == "BROKEN"
    section = report_on_planted_imports.split("Broken contracts")[1].split(NAMES[rule])[1]
    for importer, imported in WRONG_IMPORTS[rule]:
        assert names(section, importer, imported), f"{importer} -> {imported} is not in {section[:3000]}"


def names(section: str, importer: str, imported: str) -> bool:
    """Whether the report speaks of this import; a circle is named by its neighbours."""
    arrows = (f"{importer} -> {imported}", f"{importer} imports {imported}", f"{importer} is not allowed")
    return any(arrow in section for arrow in arrows)
