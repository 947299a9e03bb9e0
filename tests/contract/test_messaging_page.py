"""Every example of docs/messaging.md is run as it stands there, on a real broker and a real database."""

import asyncio
import re
import sys
import uuid
from types import ModuleType

import pytest

from devservices.instance import ROOT
from kits.rpc import deadlines
from tests.conftest import execute
from tests.waiting import patient

PAGE = ROOT / "docs" / "messaging.md"
_BLOCK = re.compile(r"^```(sql|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


async def test_the_examples_of_the_page_work_in_their_order(
    kafka_servers: str, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each `main` is awaited. The names of the page get a prefix, since other tests use the same broker."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_servers)
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    monkeypatch.setattr(deadlines, "DEFAULT_SECONDS", patient(30))
    page = ModuleType("messaging_page")
    monkeypatch.setitem(sys.modules, page.__name__, page)
    text = PAGE.read_text(encoding="utf-8")
    prefix, ran = f"t{uuid.uuid4().hex[:8]}.", 0
    for block in _BLOCK.finditer(text):
        language, source = block.groups()
        if language == "sql":
            await execute(empty_database_url, source)
            continue
        # So that a trace names the lines of the page.
        above = "\n" * text.count("\n", 0, block.start(2))
        named = source.replace('"articles', f'"{prefix}articles')
        vars(page).pop("main", None)
        exec(compile(above + named, str(PAGE), "exec"), vars(page))  # noqa: S102 - that is what it is for
        if main := vars(page).get("main"):
            async with asyncio.timeout(patient(60)):
                await main()
            ran += 1
    assert ran == 4
