"""The golden file of the wire is what both versions of NestJS write, byte for byte."""

import json

import pytest

from judges.capture import GOLDEN, captured
from judges.packages import NEST_VERSIONS


@pytest.mark.parametrize("version", NEST_VERSIONS)
async def test_the_golden_exchanges_are_those_of_nestjs(version: str, kafka_servers: str) -> None:
    """Keys, values, headers and their order, of every shape; and what NestJS's own client makes of them."""
    assert await captured(version, kafka_servers) == json.loads(GOLDEN.read_text())
