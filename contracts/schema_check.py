"""Contract, check: a schema may change only so that all its versions read each other."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from contracts.avro_schemas import PUBLISHED, avro_file, avro_text, published_files
from kits.schemas.compatibility import incompatibilities

_WRITE = "run `python -m contracts` and commit what it writes"
_NEW_VERSION = "leave this event as it is, and tell the change in an event of the next version"


def faults(schema: Mapping[str, Any]) -> list[str]:
    """Why this schema may not be used, one sentence each; none: it may."""
    return list(_faults(schema))


def publish(schema: Mapping[str, Any]) -> None:
    """Keep it as the next version, if it is a new one and all former versions agree with it."""
    files = published_files(schema)
    if any(_breaks(schema, file) for file in files):
        return
    if not files or _read(files[-1]) != schema:
        number = len(files) + 1
        (PUBLISHED / f"{schema['name']}.{number}.avsc").write_text(avro_text(schema), encoding="utf-8")


def _faults(schema: Mapping[str, Any]) -> Iterator[str]:
    file, files = avro_file(schema), published_files(schema)
    if not file.exists() or file.read_text(encoding="utf-8") != avro_text(schema):
        yield f"{file.name} is not what its struct says: {_WRITE}."
    broken = [fault for former in files for fault in _breaks(schema, former)]
    if not broken and (not files or _read(files[-1]) != schema):
        yield f"{schema['name']} is not among its published versions: {_WRITE}."
    yield from broken


def _breaks(schema: Mapping[str, Any], former: Path) -> list[str]:
    """FULL_TRANSITIVE: readers of either version read both."""
    old = _read(former)
    found = {*incompatibilities(schema, old), *incompatibilities(old, schema)}
    return [
        f"{schema['name']} breaks with {former.name} ({each.rule}): {each.sentence}. Or {_NEW_VERSION}."
        for each in sorted(found)
    ]


def _read(file: Path) -> Any:
    return msgspec.json.decode(file.read_bytes())
