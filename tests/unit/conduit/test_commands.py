"""Wrong words and settings of conduit's commands, before anything is contacted."""

import runpy
import sys

import pytest

from conduit.auth import program as auth
from conduit.profiles import program as profiles

SERVICES = {"auth": auth.main, "profiles": profiles.main}
DATABASE = {"DATABASE_URL": "postgresql://x:hunter2@127.0.0.1:1/x"}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """No address from outside."""
    names = (
        "DATABASE_URL",
        "KAFKA_BOOTSTRAP_SERVERS",
        *(f"CONDUIT_{s.upper()}_DATABASE_URL" for s in SERVICES),
    )
    for name in names:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    "words",
    [
        ["explode"],
        ["rpc"],
        ["rpc", "ask"],
        ["rpc", "ask", "no topic"],
        ["rpc", "ask", "a", "--timeout", "61"],
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(
    service: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing goes to stdout."""
    with pytest.raises(SystemExit) as ended:
        SERVICES[service](words)
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert f"usage: python -m conduit {service}" in told.err


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_missing_or_wrong_is_told_at_once(
    service: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With exit code 2, and the names of its own settings."""
    main, prefix = SERVICES[service], f"CONDUIT_{service.upper()}"
    assert main(["migrate"]) == 2
    assert "DATABASE_URL is missing" in capsys.readouterr().err
    monkeypatch.setenv(f"{prefix}_DATABASE_URL", "mysql://x")
    monkeypatch.setenv(f"{prefix}_OPS_PORT", "0")
    assert main([]) == 2
    said = capsys.readouterr().err
    assert f"{prefix}_DATABASE_URL" in said
    assert f"{prefix}_OPS_PORT" in said
    assert "KAFKA_BOOTSTRAP_SERVERS is missing" in said
    assert main(["rpc", "ask", "get_tags"]) == 2
    assert "KAFKA_BOOTSTRAP_SERVERS is missing" in capsys.readouterr().err


@pytest.mark.parametrize("service", SERVICES)
def test_the_settings_are_shown_and_no_secret_is(
    service: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A service's own database wins over DATABASE_URL."""
    for name, value in DATABASE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    SERVICES[service](["settings"])
    shown = capsys.readouterr()
    assert f"CONDUIT_{service.upper()}_DATABASE_SCHEMA" in shown.out
    assert "hunter2" not in shown.out + shown.err


@pytest.mark.parametrize("words", [[], ["explode"], ["--help"]])
def test_the_entrance_names_the_processes(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever starts none learns which there are."""
    monkeypatch.setattr(sys, "argv", ["conduit", *words])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("conduit", run_name="__main__")
    assert ended.value.code == 2
    assert "gateway | auth | articles | profiles" in capsys.readouterr().err
