"""Entrance: the words that commands take."""

import argparse
from typing import TypeAlias

LARGEST = 2_000_000_000

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001
"""What a parser gives for its commands; the library has no public name for it."""


def positive(text: str) -> int:
    """A whole number from 1 on."""
    number = int(text)
    if not 1 <= number <= LARGEST:
        raise argparse.ArgumentTypeError("must be between 1 and 2,000,000,000")
    return number


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
