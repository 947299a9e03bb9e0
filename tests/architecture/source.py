"""The product's source files as trees, and the questions that the rules ask about them."""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("app", "worker", "services", "conduit", "contracts", "kits")
PACKAGES = (*PRODUCT, "devservices", "bench", "chaos", "judges")
DRAWERS = {"utils", "util", "common", "lib", "libs", "helpers", "helper", "base", "misc"}
# What a module must not own: built when it is imported, it can be neither configured nor replaced.
OWNED = re.compile(
    r"engine|settings|metrics?|supervisor|producer|consumer|session|client|container|eventbus|registry"
)


@dataclass(frozen=True)
class Source:
    """One file."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        """The path as a reader would write it."""
        return self.path.as_posix()

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function and method."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


def sources(*folders: str) -> list[Source]:
    """All Python files below these folders."""
    return [
        Source(path.relative_to(ROOT), path.read_text(encoding="utf-8"))
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "__pycache__" not in path.parts
    ]


def missing_docstring(source: Source) -> list[str]:
    """Each module opens with its stage and job."""
    return [] if ast.get_docstring(source.tree) else [source.name]


def hidden_imports(source: Source) -> list[str]:
    """Imports inside of functions, and relative ones."""
    found = [
        f"{source.name}:{node.lineno}"
        for function in source.functions()
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    relative = [
        f"{source.name}:{node.lineno}"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    return found + relative


def foreign_imports(source: Source, *own: str) -> list[str]:
    """Imports of anything but the standard library and `own` packages."""
    names: list[tuple[int, str]] = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            names += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append((node.lineno, node.module or ""))
    return [
        f"{source.name}:{line} {name}"
        for line, name in names
        if name.partition(".")[0] not in sys.stdlib_module_names and not name.startswith(own)
    ]


def transaction_ends(source: Source) -> list[str]:
    """Calls of `.commit()` and `.begin()`."""
    return [
        f"{source.name}:{node.lineno} .{node.func.attr}()"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"commit", "begin"}
    ]


def owned_at_import(source: Source) -> list[str]:
    """Module-level names bound to a call of something like create_engine(), Metrics() or ClientSession()."""
    found = []
    for node in source.tree.body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, ast.Call):
            called = ast.unparse(value.func).rpartition(".")[2]
            if OWNED.search(called.lower()):
                found.append(f"{source.name}:{node.lineno} {called}()")
    return found


def drawers(source: Source) -> list[str]:
    """Folders and modules with a name that says nothing."""
    names = {*source.path.parts[:-1], source.path.stem}
    return [f"{source.name} ({name})" for name in sorted(names & DRAWERS)]


def function_lines(source: Source) -> list[tuple[str, int]]:
    """The length of each function, without its docstring."""
    lengths = []
    for function in source.functions():
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        first = function.body[0]
        if ast.get_docstring(function) is not None:
            length -= (first.end_lineno or first.lineno) - first.lineno + 1
        lengths.append((f"{source.name}:{function.lineno} {function.name}", length))
    return lengths


def twins(all_sources: Iterable[Source]) -> list[str]:
    """Class names that stand twice, nested ones too, each with its places."""
    places: dict[str, list[str]] = defaultdict(list)
    for source in all_sources:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(source.name)
    return [f"{name}: {', '.join(found)}" for name, found in sorted(places.items()) if len(found) > 1]
