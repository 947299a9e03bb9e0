"""Text from outside steers no terminal and forges no line; secrets show at no depth."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import msgspec
import pytest
import structlog

from kits.observability.logs import LogSettings, configure_logging, get_logger
from kits.observability.printable import cleaned, masked, printable, without_secrets
from kits.settings import Secret
from kits.terminal.printing import complain, say, say_json, say_table

HOSTILE = [
    "\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "a\rb", "a\nb", "a\x85b", "a\u2028b", "a\u2029b",
    "\u202egnp.exe", "\u2066x\u2069", "\u200bx", "\ufeffx", "\x00", "\x7f", "\U000e0041", "\ud800", "\t",
]  # fmt: skip


class Inner(msgspec.Struct):
    """Something with a secret in it."""

    password: str
    name: str


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_what_shows_nothing_of_itself_is_escaped(text: str) -> None:
    """Whatever remains can be printed, and reads the same as JSON."""
    shown = printable(text)
    assert all(one.isprintable() for one in shown)
    assert json.loads(f'"{shown}"') == text
    assert printable(shown) == shown


@pytest.mark.parametrize(
    "text", ["키보드 상품", "Ünïcödé 20 %", "emoji 🙂", "full\u3000width", "narrow\u202fspace"]
)
def test_what_people_write_stays(text: str) -> None:
    """In any language."""
    assert printable(text) == text


def test_our_own_line_breaks_may_stay() -> None:
    """Only these."""
    assert printable("{\n  a\r}", keep="\n") == "{\n  a\\u000d}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://user:hunter2@host/db", "postgresql://***@host/db"),
        ("postgresql://user:hun@ter2@host/db", "postgresql://***@host/db"),
        ("said: Authorization: Bearer abc.def-ghi", "said: Authorization: Bearer ***"),
        ("a bearer is someone", "a bearer is someone"),
        ("https://host/a@b", "https://host/a@b"),
    ],
)
def test_secrets_inside_of_texts_are_masked(text: str, shown: str) -> None:
    """As libraries put them into their errors."""
    assert without_secrets(text) == shown


def test_secrets_are_masked_at_any_depth() -> None:
    """In mappings, lists, structs and pairs of headers; by their names and by their type."""
    value = {
        "list": [{"Api-Key": "hunter2"}, ("Authorization", "hunter2"), (b"set-cookie", b"hunter2")],
        "struct": Inner(password="hunter2", name="n"),
        "deep": {"a": {"b": [{"client_secret": "hunter2", "kept": 7}]}},
        "value": Secret("hunter2"),
        "address": "kafka://u:hunter2@h",
    }
    shown = masked("field", value)
    assert "hunter2" not in repr(shown)
    assert shown["deep"]["a"]["b"][0]["kept"] == 7
    assert shown["struct"]["name"] == "n"


def test_a_value_that_contains_itself_comes_to_an_end() -> None:
    """Whatever a caller passes."""
    value: dict[str, object] = {}
    value["again"] = value
    assert masked("field", value)


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What stands on stderr; the log's machinery is put back afterwards."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    configure_logging(process="test", settings=LogSettings(format="console"))
    monkeypatch.undo()
    yield stream
    logging.basicConfig(handlers=handlers, level=level, force=True)
    structlog.reset_defaults()


# The tests' own capture of logs cannot pass half of a character on to another process.
@pytest.mark.parametrize("text", [text for text in HOSTILE if text != "\ud800"], ids=ascii)
def test_a_field_of_a_console_line_forges_no_line(console: io.StringIO, text: str) -> None:
    """Neither as a value, nor inside of one, nor from a library."""
    get_logger("app.test").warning("thing", reason=text, inside=[{"a": text}])
    logging.getLogger("some.library").warning("trouble %s", text)
    written = console.getvalue()
    assert written.count("\n") == 2
    assert all(one.isprintable() for line in written.splitlines() for one in line)


def test_an_exception_on_the_console_is_indented_and_without_secrets(console: io.StringIO) -> None:
    """A line that it brings cannot pass for one of ours."""
    error = RuntimeError("no\n2026-01-01 [error] forged postgresql://u:hunter2@h\x1b[2J")
    get_logger("app.test").error("thing_failed", exc_info=error)
    first, *others = console.getvalue().splitlines()
    assert "thing_failed" in first
    assert all(line.startswith("    ") for line in others)
    assert "forged" in "".join(others)
    assert "hunter2" not in console.getvalue()
    assert "\x1b" not in console.getvalue()


def test_a_command_prints_lines_of_its_own_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever stands in what it was given."""
    for text in HOSTILE[:-3]:
        say(f"id {text}")
        complain(f"error {text}")
        say_table([("A", "B"), (text, "b")])
    shown = capsys.readouterr()
    assert shown.out.count("\n") == 3 * len(HOSTILE[:-3])
    assert shown.err.count("\n") == len(HOSTILE[:-3])
    assert all(one.isprintable() or one == "\n" for one in shown.out + shown.err)


def test_json_for_programs_steers_no_terminal_either(capsys: pytest.CaptureFixture[str]) -> None:
    """It reads the same."""
    value = {"texts": [text for text in HOSTILE if text != "\ud800"]}
    say_json(value, indent=True)
    shown = capsys.readouterr().out
    assert json.loads(shown) == value
    assert all(one.isprintable() or one == "\n" for one in shown)


def test_cleaning_reaches_keys_and_every_depth() -> None:
    """As logs are nested."""
    assert cleaned({"a\x1b": [{"b": ("c\n",)}], "n": 1}) == {"a\\u001b": [{"b": ["c\\u000a"]}], "n": 1}
