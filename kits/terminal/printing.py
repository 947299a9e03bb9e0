"""Terminal kit: the only way to a terminal; nothing from outside steers it or forges a line."""

import os
import sys
from collections.abc import Iterable
from typing import Any

import msgspec

from kits.observability.printable import printable, without_secrets


def say(*lines: str) -> None:
    """Print a command's result to stdout; each argument is one line, whatever stands in it."""
    for line in lines:
        _print(printable(line))


def complain(*sentences: object) -> None:
    """Print to stderr what went wrong and what to do; each argument is one line, whatever stands in it."""
    for sentence in sentences:
        print(printable(without_secrets(str(sentence))), file=sys.stderr)


def say_json(value: Any, *, indent: bool = False) -> None:
    """Print a value as JSON; what could steer a terminal is escaped, which reads the same to a program."""
    encoded = msgspec.json.encode(value)
    _print(printable((msgspec.json.format(encoded) if indent else encoded).decode(), keep="\n"))


def say_table(rows: Iterable[Iterable[str]], *, right: bool = False) -> None:
    """Print rows of cells in columns, the first row being their names; nothing if there is no row."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (
            cell.rjust(width) if right else cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        )
        _print("  ".join(padded).rstrip())


def _print(text: str) -> None:
    try:
        print(text, file=sys.stdout, flush=True)
    except BrokenPipeError:
        # Nobody reads it any more, as behind `head`: the command goes on, and what it says goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
