"""Terminal kit: the words that commands take, each checked once, for argparse."""

import argparse
import re
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from uuid import UUID

LARGEST = 2_000_000_000
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001
"""What a parser gives for its commands; the library has no public name for it."""


def positive(text: str) -> int:
    """A whole number from 1 on."""
    number = int(text)
    if not 1 <= number <= LARGEST:
        raise argparse.ArgumentTypeError("must be between 1 and 2,000,000,000")
    return number


def natural(text: str) -> int:
    """A whole number from 0 on, of any size."""
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise argparse.ArgumentTypeError("must be a whole number from 0 on")
    return int(text)


def difference(text: str) -> int:
    """A whole number that is not 0, with or without a sign."""
    number = int(text)
    if not number or abs(number) > LARGEST:
        raise argparse.ArgumentTypeError("must be between -2,000,000,000 and 2,000,000,000, and not 0")
    return number


def words(text: str) -> str:
    """A text for a log of who did what: not empty, one line, at most 200 characters."""
    if not 1 <= len(text.strip()) <= 200 or not text.isprintable():
        raise argparse.ArgumentTypeError("must be 1 to 200 printable characters")
    return text.strip()


def subject(text: str) -> str:
    """Whom a token names: 1 to 255 printable characters, kept as they are."""
    if not 1 <= len(text) <= 255 or not text.isprintable():
        raise argparse.ArgumentTypeError("must be 1 to 255 printable characters")
    return text


def scopes(text: str) -> str:
    """Scopes of a token, separated by blanks: ASCII without quotes and backslashes (RFC 6749, 3.3)."""
    if not re.fullmatch(r"[!#-\[\]-~ ]*", text):
        raise argparse.ArgumentTypeError('must be words of ASCII characters without " and \\, blanks between')
    return text


def event_id(text: str) -> str:
    """A UUID, in its usual form."""
    return str(UUID(text))


def duration(text: str) -> timedelta:
    """A number with its unit, as in `90s`, `15m`, `2h` or `7d`."""
    match = re.fullmatch(r"([0-9]{1,5})([smhd])", text)
    if match is None:
        raise argparse.ArgumentTypeError("must look like 90s, 15m, 2h or 7d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def rate(text: str) -> float:
    """How many per second, 0.1 or more."""
    number = float(text)
    if not 0.1 <= number <= LARGEST:
        raise argparse.ArgumentTypeError("must be 0.1 or more")
    return number


def moment(text: str) -> datetime:
    """A time with its offset from UTC, as in `2026-11-21T07:00:00Z`; or how long ago, as a duration."""
    if re.fullmatch(r"[0-9]{1,5}[smhd]", text):
        return datetime.now(UTC) - duration(text)
    try:
        found = datetime.fromisoformat(text)
        in_utc = found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        in_utc = None
    if in_utc is None:
        raise argparse.ArgumentTypeError("must look like 2026-11-21T07:00:00Z, or 90s, 15m, 2h, 7d ago")
    return in_utc
