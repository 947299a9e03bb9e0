"""Settings from the environment: all problems at once, no secret shown."""

import os
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from kits.settings import Secret, SettingsError, is_file, read_settings, secrets_inline, variables


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One field of each kind."""

    database_url: Secret
    bootstrap_servers: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 8000
    mode: Literal["a", "b"] = "a"
    careful: bool = False
    password: Secret = Secret("")

    def problems(self) -> list[str]:
        """Rules between fields."""
        found = [] if self.database_url.startswith("postgresql://") else ["DATABASE_URL: must be PostgreSQL."]
        return found + ([] if self.password else ["PASSWORD: must not be empty."])


class Colour(Enum):
    """Values of an enumeration."""

    RED = "red"
    BLUE = "blue"


class Kinds(msgspec.Struct, frozen=True, kw_only=True):
    """Every kind of value that can be wrong."""

    mode: Literal["a", "b"] | None = None
    colour: Colour = Colour.RED
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 8000
    share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5
    careful: bool = False
    address: Annotated[
        str, msgspec.Meta(pattern="^http://", description="an address that begins with http://")
    ] = ""
    many: list[str] = []


VALID = {"DATABASE_URL": "postgresql://h/d", "BOOTSTRAP_SERVERS": "h:9092", "PASSWORD": "hunter2"}


def test_values_are_converted_and_unset_ones_have_their_default() -> None:
    """An empty or blank variable counts as unset, as Compose files write it."""
    settings = read_settings(Example, VALID | {"PORT": " 9000 ", "CAREFUL": "True", "MODE": " "})
    assert (settings.port, settings.careful, settings.mode) == (9000, True, "a")


def test_every_problem_is_told_at_once_in_a_sentence_with_its_name() -> None:
    """Also the rules between fields, when other fields are wrong."""
    with pytest.raises(SettingsError) as error:
        read_settings(
            Example, {"PORT": "99999", "MODE": "c", "CAREFUL": "perhaps", "DATABASE_URL": "mysql://x"}
        )
    names = [problem.split(":")[0].split(" ")[0] for problem in error.value.problems]
    assert names == ["BOOTSTRAP_SERVERS", "PORT", "MODE", "CAREFUL", "DATABASE_URL", "PASSWORD"]


def test_a_missing_value_is_told_once() -> None:
    """Not again by the rules that look at it."""
    with pytest.raises(SettingsError) as error:
        read_settings(Example, {"BOOTSTRAP_SERVERS": "h", "PASSWORD": "x"})
    assert len(error.value.problems) == 1
    assert "DATABASE_URL is missing" in error.value.problems[0]


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """A process with a group of settings."""

    example: Example
    name: str = "x"


def test_a_group_reads_its_variables_under_its_name() -> None:
    """`example.port` is EXAMPLE_PORT; its problems are told with all others."""
    environment = {f"EXAMPLE_{name}": value for name, value in VALID.items()}
    assert read_settings(Process, environment | {"EXAMPLE_PORT": "9000"}).example.port == 9000
    with pytest.raises(SettingsError) as error:
        read_settings(Process, {"EXAMPLE_PORT": "0"})
    names = [problem.split(":")[0].split(" ")[0] for problem in error.value.problems]
    assert names[:3] == ["EXAMPLE_DATABASE_URL", "EXAMPLE_BOOTSTRAP_SERVERS", "EXAMPLE_PORT"]
    assert sorted(variables(Process)) == sorted([*(f"EXAMPLE_{n}" for n in variables(Example)), "NAME"])


@pytest.mark.parametrize("value", ["A", "a", " a "])
def test_words_are_taken_in_any_case(value: str) -> None:
    """As people write them: INFO, Json."""
    assert read_settings(Example, VALID | {"MODE": value}).mode == "a"


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("MODE", "must be one of a, b."),
        ("COLOUR", "must be one of red, blue."),
        ("PORT", "must be a whole number from 1 to 65535."),
        ("SHARE", "must be a number over 0, at most 1."),
        ("CAREFUL", "must be true or false."),
        ("ADDRESS", "must be an address that begins with http://."),
        ("MANY", "must be of another form (see .env.example)."),
    ],
)
def test_a_wrong_value_is_told_by_what_is_allowed(name: str, rule: str) -> None:
    """And never by itself: it may be a password under the wrong name."""
    with pytest.raises(SettingsError) as error:
        read_settings(Kinds, {name: "hunter2"})
    assert error.value.problems == [f"{name}: {rule}"]


def test_a_file_that_cannot_be_looked_for_is_none() -> None:
    """A name too long for a file, or with a NUL in it, is a wrong setting like any other."""
    assert not is_file("x" * 5_000)
    assert not is_file("a\0b")
    assert is_file(__file__)


def test_a_secret_never_shows_itself() -> None:
    """Not in a repr, and not in the message about a wrong value."""
    assert "hunter2" not in repr(read_settings(Example, VALID))
    with pytest.raises(SettingsError) as error:
        read_settings(Example, VALID | {"PORT": "hunter2"})
    assert "hunter2" not in str(error.value)


FILED = {"DATABASE_URL": "postgresql://h/d", "BOOTSTRAP_SERVERS": "h:9092"}


@pytest.mark.parametrize(
    ("content", "secret"),
    [("hunter2", "hunter2"), ("hunter2\n", "hunter2"), ("hunter2\r\n", "hunter2"), (" h\n\n", " h\n")],
)
def test_a_secret_may_stand_in_a_file(tmp_path: Path, content: str, secret: str) -> None:
    """As it is, without the one line end that editors and `echo` add."""
    path = tmp_path / "password"
    path.write_bytes(content.encode())
    assert read_settings(Example, FILED | {"PASSWORD_FILE": str(path)}).password == secret


def test_a_required_secret_may_stand_in_a_file_of_its_group(tmp_path: Path) -> None:
    """EXAMPLE_DATABASE_URL_FILE is as good as EXAMPLE_DATABASE_URL."""
    path = tmp_path / "url"
    path.write_text("postgresql://filed/d\n")
    environment = {f"EXAMPLE_{name}": value for name, value in VALID.items() if name != "DATABASE_URL"}
    settings = read_settings(Process, environment | {"EXAMPLE_DATABASE_URL_FILE": str(path)})
    assert settings.example.database_url == "postgresql://filed/d"


def test_a_secret_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    """Which of the two counts would be a guess; an empty one is unset."""
    path = tmp_path / "password"
    path.write_text("hunter2")
    assert read_settings(Example, FILED | {"PASSWORD": "", "PASSWORD_FILE": str(path)}).password == "hunter2"
    with pytest.raises(SettingsError) as error:
        read_settings(Example, VALID | {"PASSWORD_FILE": str(path)})
    assert error.value.problems == ["PASSWORD and PASSWORD_FILE are both set: keep one of them."]


def missing(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_text("\n")


def binary(path: Path) -> None:
    path.write_bytes(b"hunter2\xff")


def huge(path: Path) -> None:
    path.write_text("hunter2" * 20_000)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("damage", [missing, empty, binary, huge, folder, pipe])
def test_a_secret_file_that_cannot_be_read_is_one_sentence_without_its_path_and_content(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """Whoever put the secret itself where its path belongs must not find it in a log."""
    path = tmp_path / "hunter2"
    path.write_text("hunter2")
    damage(path)
    with pytest.raises(SettingsError) as error:
        read_settings(Example, FILED | {"PASSWORD_FILE": str(path)})
    (problem,) = error.value.problems
    assert problem.startswith("PASSWORD_FILE: the file ")
    assert "hunter2" not in problem


def test_only_secrets_are_read_from_files(tmp_path: Path) -> None:
    """PORT_FILE is nobody's setting."""
    path = tmp_path / "port"
    path.write_text("9000")
    assert read_settings(Example, VALID | {"PORT_FILE": str(path)}).port == 8000


def test_secrets_can_be_handed_on_under_their_own_names(tmp_path: Path) -> None:
    """To a process that is given a secret of its own if there is none: two names would contradict."""
    (tmp_path / "secret").write_text("hunter2\n")
    given = {"A_FILE": str(tmp_path / "secret"), "B": "b", "C": "", "D_FILE": "other"}
    assert secrets_inline(given, ["A", "B", "C", "E"]) == {
        "A": "hunter2", "B": "b", "C": "", "D_FILE": "other",
    }  # fmt: skip
    with pytest.raises(SettingsError, match="A and A_FILE are both set"):
        secrets_inline(given | {"A": "a"}, ["A"])
