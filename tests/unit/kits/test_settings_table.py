"""The command `settings`: what is in force, where it comes from, and no secret."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from kits.settings import Secret, variables
from kits.terminal.settings_table import settings_table


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A group of settings."""

    url: Secret
    port: Annotated[int, msgspec.Meta(ge=1)] = 8000
    seconds: float = 5.0
    careful: bool = False
    mode: Literal["a", "b"] = "a"
    address: str = ""
    servers: str


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """A process."""

    group: Group
    token: Secret = Secret("")
    limit: int | None = None


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    """A file of settings."""
    path = tmp_path / "settings"
    path.write_text("GROUP_PORT=9000\nGROUP_MODE=B\nGROUP_SECONDS=\nTOKEN_FILE=" + str(tmp_path / "token"))
    (tmp_path / "token").write_text("hunter2")
    return path


def rows_of(table: list[tuple[str, str, str]]) -> dict[str, tuple[str, str]]:
    """NAME -> (VALUE, FROM)."""
    assert table[0] == ("NAME", "VALUE", "FROM")
    return {name: (value, origin) for name, value, origin in table[1:]}


def test_each_setting_is_shown_with_its_value_and_its_origin(env_file: Path) -> None:
    """Secrets are masked, also those in an address."""
    environ = {
        "ENV_FILE": str(env_file),
        "GROUP_URL": "hunter2",
        "GROUP_PORT": "9001",
        "GROUP_ADDRESS": "http://user:hunter2@host/x",
        "GROUP_SERVERS": "h:1",
    }
    table, problems = settings_table(Process, environ)
    assert problems == []
    assert "hunter2" not in str(table)
    assert rows_of(table) == {
        "GROUP_URL": ("***", "environment"),
        "GROUP_PORT": ("9001", "environment"),
        "GROUP_SECONDS": ("5", "default"),
        "GROUP_CAREFUL": ("false", "default"),
        "GROUP_MODE": ("b", str(env_file)),
        "GROUP_ADDRESS": ("http://***@host/x", "environment"),
        "GROUP_SERVERS": ("h:1", "environment"),
        "TOKEN": ("***", f"{env_file} (TOKEN_FILE)"),
        "LIMIT": ("", "default"),
    }
    assert list(rows_of(table)) == list(variables(Process))


def test_what_is_wrong_is_told_beside_the_rest_and_not_shown() -> None:
    """The table is there when it is needed most."""
    environ = {"ENV_FILE": "/dev/null", "GROUP_PORT": "hunter2", "GROUP_URL_FILE": "/dev/null"}
    table, problems = settings_table(Process, environ)
    assert [problem.split(":")[0].split(" ")[0] for problem in problems] == [
        "GROUP_URL_FILE", "GROUP_PORT", "GROUP_SERVERS",
    ]  # fmt: skip
    rows = rows_of(table)
    assert rows["GROUP_PORT"] == ("?", "environment")
    assert rows["GROUP_URL"] == ("?", "environment (GROUP_URL_FILE)")
    assert rows["GROUP_SERVERS"] == ("?", "missing")
    assert "hunter2" not in f"{table}{problems}"


def test_a_file_that_cannot_be_read_is_told_alone() -> None:
    """What would be in force is not known then."""
    table, problems = settings_table(Process, {"ENV_FILE": "/nowhere"})
    assert table == []
    assert len(problems) == 1
