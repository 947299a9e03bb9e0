"""What an instance remembers between commands: ports, passwords, process ids."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

State = dict[str, Any]


def load(path: Path) -> State:
    """The remembered values; {} when there are none or a crash left the file unreadable."""
    try:
        loaded = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def save(path: Path, values: State) -> None:
    """Replace the file atomically; only its owner may read it, since it can hold a password."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, json.dumps(values, indent=2) + "\n")


def update(path: Path, **values: Any) -> State:
    """Change some remembered values and keep the others."""
    merged = {**load(path), **values}
    save(path, merged)
    return merged


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(text)
    Path(draft).replace(path)
