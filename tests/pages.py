"""Pages of the documentation, run as they stand there."""

import asyncio
import json
import re
import shlex
import sys
import uuid
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.commands import run_command
from tests.conftest import execute
from tests.waiting import patient

_EXAMPLE = re.compile(r"^```bash\n(.*?)^```\n\n```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_BLOCK = re.compile(r"^```(sql|python|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shell_examples(page: Path) -> list[tuple[str, Any]]:
    """Its blocks of bash that have an answer in JSON below them, in their order."""
    found = _EXAMPLE.findall(page.read_text(encoding="utf-8"))
    return [(commands, json.loads(answer)) for commands, answer in found]


def as_shown(shown: Any, answer: Any) -> bool:
    """Whether an answer is what the page shows; `…` ends what is different each time, and times are."""
    if isinstance(shown, dict) and isinstance(answer, dict):
        same = shown.keys() == answer.keys()
        return same and all(as_shown(value, answer[name]) for name, value in shown.items())
    if isinstance(shown, list) and isinstance(answer, list):
        return len(shown) == len(answer) and all(map(as_shown, shown, answer))
    if isinstance(shown, str) and isinstance(answer, str):
        if _TIME.fullmatch(shown):
            return _TIME.fullmatch(answer) is not None
        start, more, _ = shown.partition("…")
        return answer.startswith(start) if more else answer == shown
    return bool(shown == answer) and type(shown) is type(answer)


async def run_page(
    page: Path, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, *, named: str
) -> Counter[str]:
    """Run its blocks in their order, and return how many there were of each kind, and of `main`.

    A `main` is awaited, each line of a shell block is a `python -m …` that ends well. Names that begin with
    `named` get a prefix, since other tests use the same broker.
    """
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    names = ModuleType(f"{page.stem}_page")
    monkeypatch.setitem(sys.modules, names.__name__, names)
    text = page.read_text(encoding="utf-8")
    prefix, ran = f"t{uuid.uuid4().hex[:8]}.", Counter[str]()
    for block in _BLOCK.finditer(text):
        language, source = block.groups()
        ran[language] += 1
        if language == "sql":
            await execute(environment["DATABASE_URL"], source)
        elif language == "sh":
            await _run_commands(source, environment)
        else:
            # So that a trace names the lines of the page.
            above = "\n" * text.count("\n", 0, block.start(2))
            code = compile(above + source.replace(f'"{named}', f'"{prefix}{named}'), str(page), "exec")
            ran["main"] += await _run(code, vars(names))
    return ran


async def _run_commands(source: str, environment: Mapping[str, str]) -> None:
    for line in source.splitlines():
        python, option, *words = shlex.split(line, comments=True)
        assert (python, option) == ("python", "-m")
        ended = await run_command(*words, given=b"", **environment)
        assert ended.code == 0, ended.err


async def _run(code: object, names: dict[str, object]) -> bool:
    names.pop("main", None)
    exec(code, names)  # type: ignore[arg-type]  # noqa: S102 - that is what it is for
    main = names.get("main")
    if main is None:
        return False
    async with asyncio.timeout(patient(60)):
        await main()  # type: ignore[operator]
    return True
