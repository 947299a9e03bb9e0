"""Wrong usage of a command ends with exit code 2 and a sentence, before anything is contacted."""

import pytest

from app.cli.program import main as app
from worker.cli.program import main as worker


@pytest.mark.parametrize(
    "words",
    [
        ("--sub", ""),
        ("--sub", "a\nb"),
        ("--sub", "\x1b[31m"),
        ("--sub", "\udcff"),
        ("--sub", "c" * 256),
        ("--sub", "c-1", "--scope", "orders:fulfil\nx"),
        ("--sub", "c-1", "--scope", 'a"b'),
    ],
)
def test_a_token_for_nobody_is_wrong_usage(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What no verifier would take is not issued."""
    monkeypatch.setenv("JWT_SECRET", "s" * 32)
    with pytest.raises(SystemExit) as ended:
        app(["token", *words])
    assert ended.value.code == 2
    assert "must be" in capsys.readouterr().err


def test_a_parameter_of_the_address_that_is_not_known_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By both processes, and without its value."""
    address = "postgresql://u:hunter2@127.0.0.1:1/d?service=hunter2"
    monkeypatch.setenv("DATABASE_URL", address)
    monkeypatch.setenv("WORKER_DATABASE_URL", address)
    assert (app(["migrate"]), worker(["migrate"])) == (2, 2)
    told = capsys.readouterr().err
    assert "\nDATABASE_URL: it has a parameter that is not known here (service)." in told
    assert "\nWORKER_DATABASE_URL: it has a parameter that is not known here (service)." in told
    assert "hunter2" not in told
