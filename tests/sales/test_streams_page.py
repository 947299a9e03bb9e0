"""Every example of docs/streams.md is run as it stands there, on a real broker."""

import asyncio
import re
from pathlib import Path
from types import ModuleType

import pytest

from devservices.instance import ROOT
from kits.kafka.admin import TopicAdmin, TopicSpec
from kits.kafka.security import KafkaSecurity

PAGE = ROOT / "docs" / "streams.md"
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.filterwarnings("ignore")
def test_the_examples_of_the_page_work_in_their_order(
    kafka_servers: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`main` is run on topics of three partitions."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_servers)
    admin = TopicAdmin(bootstrap_servers=kafka_servers, security=KafkaSecurity(), client_id="test")
    names = ("cities.orders", "cities.large", "cities.sales")
    asyncio.run(admin.ensure_topics([TopicSpec(name, 3) for name in names]))
    page = ModuleType("streams_page")
    text = PAGE.read_text(encoding="utf-8")
    blocks = list(_BLOCK.finditer(text))
    for block in blocks:
        # So that a trace names the lines of the page.
        above = "\n" * text.count("\n", 0, block.start(1))
        exec(compile(above + block[1], str(PAGE), "exec"), vars(page))  # noqa: S102 - that is what it is for
    assert len(blocks) == 2
    page.main(tmp_path)
