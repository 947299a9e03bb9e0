"""Wrong words and settings of the Member API's commands, before anything is contacted."""

import pytest

from services.members.cli.program import main


@pytest.mark.parametrize(
    "words",
    [
        ["outbox"],
        ["outbox", "republish"],
        ["outbox", "retry", "--member", " "],
        ["outbox", "abandon", "--by", "a\nb"],
        ["explode"],
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything once more is asked for by its name."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "usage: python -m services.members" in told.err


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (["migrate"], {}, "DATABASE_URL is missing"),
        (["outbox", "list"], {"MEMBERS_DATABASE_URL": "mysql://x"}, "MEMBERS_DATABASE_URL"),
        (["serve"], {"DATABASE_URL": "postgresql://x@127.0.0.1:1/x", "MEMBERS_PORT": "0"}, "MEMBERS_PORT"),
        ([], {"DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}, "KAFKA_BOOTSTRAP_SERVERS is missing"),
        (["migrate"], {"DATABASE_URL": "postgresql://x@127.0.0.1:1/x", "MEMBERS_PUBLISH_V1": "maybe"}, "V1"),
    ],
)
def test_what_is_missing_or_wrong_is_told_at_once(
    words: list[str],
    environment: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With exit code 2, as the other processes do."""
    for name in ("DATABASE_URL", "MEMBERS_DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_the_settings_are_shown_with_where_they_come_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A secret is not."""
    monkeypatch.setenv("MEMBERS_DATABASE_URL", "postgresql://u:hunter2@127.0.0.1:1/d")
    monkeypatch.setenv("MEMBERS_PUBLISH_V1", "false")
    assert main(["settings"]) == 2
    told = capsys.readouterr()
    assert "MEMBERS_PUBLISH_V1" in told.out
    assert "hunter2" not in told.out + told.err
    assert "JWT_SECRET or JWT_JWKS_FILE" in told.err
