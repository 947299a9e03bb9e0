"""Pages of the documentation, run as they stand there."""

import asyncio
import re
import shlex
import sys
import uuid
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from tests.commands import run_command
from tests.conftest import execute
from tests.waiting import patient

_BLOCK = re.compile(r"^```(sql|python|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


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
