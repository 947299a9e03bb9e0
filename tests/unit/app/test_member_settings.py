"""Where the Member API may be, and when its token may go there."""

import pytest

from app.settings import AppSettings
from kits.settings import SettingsError, read_settings

NEEDED = {
    "DATABASE_URL": "postgresql://nowhere/none",
    "KAFKA_BOOTSTRAP_SERVERS": "nowhere:9092",
    "JWT_SECRET": "s" * 32,
}


def problems(url: str, token: str = "") -> list[str]:
    """What a start would refuse."""
    try:
        read_settings(AppSettings, NEEDED | {"MEMBER_API_URL": url, "MEMBER_API_TOKEN": token})
    except SettingsError as error:
        return error.problems
    return []


@pytest.mark.parametrize(
    "url", ["", "https://members.example", "http://members:8010/api/", "http://[::1]:8010"]
)
def test_an_address_may_have_a_path_and_be_left_out(url: str) -> None:
    assert problems(url) == []


@pytest.mark.parametrize(
    "url",
    [
        "members:8010", "ftp://members", "http://", "http://m/?a=1", "http://m/#a", "http://m:port",
        "http://a b", "http://user:hunter2@members", "http://[::1", "http://m\u00e9mbers",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_at_the_start(url: str) -> None:
    (problem,) = problems(url)
    assert problem.startswith("MEMBER_API_URL")
    assert "hunter2" not in problem


def test_a_token_may_go_where_nobody_else_reads() -> None:
    for url in ("https://members.example", "http://127.0.0.1:8010", "http://localhost:8010"):
        assert problems(url, "hunter2") == []
    (problem,) = problems("http://members:8010", "hunter2")
    assert problem.startswith("MEMBER_API_TOKEN")
    assert "hunter2" not in problem
