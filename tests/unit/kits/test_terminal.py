"""The command line: words are checked once, and progress suits whoever reads it."""

import argparse
import io
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from kits.terminal.arguments import difference, duration, event_id, moment, natural, positive, rate, words
from kits.terminal.printing import say, say_json, say_table
from kits.terminal.progress import Progress


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (duration, "90s", timedelta(seconds=90)),
        (duration, "15m", timedelta(minutes=15)),
        (duration, "7d", timedelta(days=7)),
        (rate, "0.1", 0.1),
        (natural, "0", 0),
        (positive, "1", 1),
        (difference, "-3", -3),
        (words, " a reason ", "a reason"),
        (moment, "2026-11-21T07:00:00Z", datetime(2026, 11, 21, 7, tzinfo=UTC)),
        (moment, "2026-11-21T16:00:00+09:00", datetime(2026, 11, 21, 7, tzinfo=UTC)),
        (event_id, "0199AAAA00007000800000000000000a", "0199aaaa-0000-7000-8000-00000000000a"),
    ],
)
def test_a_word_is_read(read: Callable[[str], object], text: str, value: object) -> None:
    """As what it means."""
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (moment, "2026-11-21T07:00:00"), (moment, "yesterday"), (moment, "0001-01-01T00:00:00+14:00"),
        (duration, "15"), (duration, "1.5h"), (duration, "h"), (duration, "123456s"), (rate, "0"),
        (rate, "nan"), (natural, "-1"), (natural, "²"), (natural, "1" * 19), (positive, "0"),
        (difference, "0"), (words, " "), (words, "a\nb"), (words, "a" * 201), (event_id, "e-1"),
    ],
)  # fmt: skip
def test_a_wrong_word_is_refused(read: Callable[[str], object], text: str) -> None:
    """With an error that the parser makes a sentence of."""
    with pytest.raises((ValueError, argparse.ArgumentTypeError)):
        read(text)


def test_progress_is_one_line_every_five_seconds_for_a_log() -> None:
    """And a last one, whatever the time."""
    now = 0.0
    log = io.StringIO()
    progress = Progress(3, "orders", stream=log, clock=lambda: now)
    progress.show(0)
    now = 5.0
    progress.show(1, "7 events delivered")
    now = 5.1
    progress.show(2)
    progress.end(3)
    assert log.getvalue() == "1 of 3 orders, 7 events delivered\n3 of 3 orders\n"


def test_progress_is_a_bar_on_a_terminal() -> None:
    """Drawn over itself."""
    terminal = Terminal()
    progress = Progress(2, "orders", stream=terminal, clock=lambda: 0.0)
    progress.show(1)
    progress.show(1)
    progress.end(2)
    drawn = terminal.getvalue().split("\r\x1b[K")
    assert drawn == ["", f"[{'#' * 12}{'.' * 12}] 1 of 2 orders", f"[{'#' * 24}] 2 of 2 orders\n"]


def test_a_moment_may_be_said_as_how_long_ago() -> None:
    """By this machine's clock."""
    ago = datetime.now(UTC) - moment("90m")
    assert abs(ago - timedelta(minutes=90)) < timedelta(minutes=1)


def test_who_stops_reading_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `head` does: no error, and the command goes on."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        say("one", "two")
        say_table([("a", "b")])
        say_json([1])
