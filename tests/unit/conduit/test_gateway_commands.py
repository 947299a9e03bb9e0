"""The gateway's commands and settings, before anything is contacted."""

from pathlib import Path

import pytest

from conduit.gateway.program import main
from tests.unit.conduit.in_memory_services import write_keys


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting from outside, and the log of pytest's process stays as it is for whoever comes after."""
    monkeypatch.setattr("conduit.gateway.program.configure_logging", lambda **_: None)
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "CONDUIT_GATEWAY_KEYS_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("words", [["explode"], ["migrate"], ["rpc"], ["rpc", "ask", "no topic"]])
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It has no database, so there is nothing to migrate."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "usage: python -m conduit gateway" in told.err


def test_what_is_missing_or_wrong_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With exit code 2; `rpc ask` needs Kafka alone."""
    monkeypatch.setenv("CONDUIT_GATEWAY_CORS_ALLOW_ORIGINS", "nowhere")
    monkeypatch.setenv("CONDUIT_GATEWAY_TIMEOUT_SECONDS", "61")
    assert main([]) == 2
    said = capsys.readouterr().err
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "KEYS_FILE", "CORS_ALLOW_ORIGINS", "TIMEOUT_SECONDS"):
        assert name in said
    monkeypatch.setenv("CONDUIT_GATEWAY_KEYS_FILE", "/nowhere/gateway.json")
    assert main([]) == 2
    assert "there is no such file" in capsys.readouterr().err
    assert main(["rpc", "ask", "get_tags"]) == 2
    said = capsys.readouterr().err
    assert "KAFKA_BOOTSTRAP_SERVERS is missing" in said
    assert "KEYS_FILE" not in said


@pytest.mark.parametrize("content", ["{", '{"keys":[]}', "only what verifies"])
def test_a_key_file_that_does_not_do_is_told_at_the_start(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With exit code 1, before anything listens."""
    path = write_keys(tmp_path)
    whole = path.read_text()
    path.write_text(whole.replace('"enc"', '"sig"') if content.startswith("only") else content)
    monkeypatch.setenv("CONDUIT_GATEWAY_KEYS_FILE", str(path))
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    assert main([]) == 1
    assert str(path) in capsys.readouterr().err
