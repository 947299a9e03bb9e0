"""Groups are plug-ins: a process builds those that it is told to run, and says what each lacks."""

import pytest

from contracts.topics import DATA_PLATFORM_GROUP, ITEM_MEMBERS_GROUP
from kits.settings import read_settings, variables
from worker.cli.program import main
from worker.container import Container
from worker.groups.data_platform.settings import DeliverySettings
from worker.groups.order_status import ORDER_STATUS_GROUP
from worker.settings import WorkerSettings

BASE = {"DATABASE_URL": "postgresql://h/db", "KAFKA_BOOTSTRAP_SERVERS": "h:1"}
PLATFORM = {"DATA_PLATFORM_URL": "http://127.0.0.1:1"}


async def test_groups_of_one_process_have_checks_of_their_own() -> None:
    """Under names of their own, or one would hide the other's."""
    names = (DATA_PLATFORM_GROUP, ORDER_STATUS_GROUP)
    container = Container(settings=read_settings(DeliverySettings, BASE | PLATFORM), names=names)
    groups = [container.groups(name) for name in names]
    assert [group.name for group in groups] == list(names)
    checks = [check.name for group in groups for check in group.checks()]
    assert len(set(checks)) == len(checks)
    assert {"consumer_data_platform", "kafka_data_platform", "data_platform", "dead_letter_limit"} < set(
        checks
    )
    assert {"consumer_cg_order", "kafka_cg_order"} < set(checks)
    container.runner()


@pytest.mark.parametrize("group", [ORDER_STATUS_GROUP, ITEM_MEMBERS_GROUP])
async def test_a_light_group_needs_neither_a_platform_nor_its_settings(group: str) -> None:
    """Nothing of the other groups is built."""
    container = Container(settings=read_settings(WorkerSettings, BASE), names=[group])
    container.runner()
    name = group.replace("-", "_")
    assert [check.name for check in container.groups(group).checks()] == [
        f"consumer_{name}",
        f"schemas_{name}",
        f"kafka_{name}",
    ]


@pytest.mark.parametrize(
    ("words", "environment", "told"),
    [
        (["cg-ordre"], BASE | PLATFORM, "Groups: data-platform, cg-order"),
        (["data-platform"], BASE, "DATA_PLATFORM_URL"),
        (["cg-order"], {"WORKER_DATABASE_URL": "postgresql://h/db", "KAFKA_BOOTSTRAP_SERVERS": "h:1"},
         "DATABASE_URL is missing: cg-order"),
        (["item-members"], {"WORKER_DATABASE_URL": "postgresql://h/db", "KAFKA_BOOTSTRAP_SERVERS": "h:1"},
         "DATABASE_URL is missing: item-members"),
        (["members", "rebuild"],
         {"WORKER_DATABASE_URL": "postgresql://h/db", "KAFKA_BOOTSTRAP_SERVERS": "h:1"},
         "DATABASE_URL is missing: item-members"),
        (["item-members"], BASE | {"MEMBER_EVENTS_VERSION": "3"}, "MEMBER_EVENTS_VERSION"),
    ],
)  # fmt: skip
def test_what_a_group_lacks_is_told_with_exit_code_2(
    words: list[str],
    environment: dict[str, str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before anything is contacted."""
    for name in variables(DeliverySettings):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("worker.cli.environment.configure_logging", lambda **_: None)
    assert main(words) == 2
    assert told in capsys.readouterr().err
