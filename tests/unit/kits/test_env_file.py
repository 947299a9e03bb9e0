"""The file `.env`: read as people write it, below the environment, and never by a test."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from app.cli.program import main as app_main
from kits.env_file import read_env_file, with_env_file
from kits.settings import SettingsError
from tests.commands import PASSED_ON
from worker.cli.program import main as worker_main


def read(tmp_path: Path, content: str | bytes) -> dict[str, str]:
    """What a file with this content says."""
    path = tmp_path / "settings"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_env_file({"ENV_FILE": str(path)})


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=x", "x"),
        ("export A=x", "x"),
        ("  export\tA = x  ", "x"),
        ("A=", ""),
        ("A= # nothing", ""),
        ("A=x # why", "x"),
        ("A=x#y", "x#y"),
        ("A=#x", "#x"),
        ("A=two words", "two words"),
        ("A=it's", "it's"),
        ("A=a=b==", "a=b=="),
        ("A=$HOME/${HOME}", "$HOME/${HOME}"),
        ("A='x # $y \\n'  # why", "x # $y \\n"),
        ('A="x # \\"y\\" \\\\ \\$z\\n"', 'x # "y" \\ $z\n'),
        ('A="one\ntwo"', "one\ntwo"),
        ("A='one\ntwo'", "one\ntwo"),
        ("A=''", ""),
        ("A=x\r", "x"),
        ("A='x'\r", "x"),
        ("A=가", "가"),
        ("\ufeffA=x", "x"),
        ("A=y\nA=x", "x"),
        ("# A=y\n\n   # B\nA=x\n\n", "x"),
    ],
)
def test_a_line_means_what_it_means_elsewhere(tmp_path: Path, line: str, value: str) -> None:
    """To a shell, to Compose and to the libraries that read such files; only `$` is nothing but itself."""
    assert read(tmp_path, line) == {"A": value}
    assert read(tmp_path, f"{line}\nC=c\n") == {"A": value, "C": "c"}


@pytest.mark.parametrize(
    "content",
    [
        "hunter2",
        "export hunter2",
        "=hunter2",
        "1A=hunter2",
        "A-B=hunter2",
        "A='hunter2",
        'A="hunter2',
        "A='x'hunter2",
        "A='x'#hunter2",
        'A="x" hunter2',
        b"A=hunter2\xff",
        b"A=hunter2\0",
        b"\xff\xfeA\0=\0h\0",
        b"A=" + b"hunter2" * 200_000,
    ],
)
def test_what_is_no_setting_is_refused_without_being_repeated(tmp_path: Path, content: str | bytes) -> None:
    """A slip must not be taken for an unset value, nor show a password."""
    with pytest.raises(SettingsError) as error:
        read(tmp_path, content)
    assert "hunter2" not in str(error.value)
    assert str(tmp_path / "settings") in str(error.value)


def test_a_wrong_line_is_found_by_its_number(tmp_path: Path) -> None:
    """Lines of a value count too."""
    with pytest.raises(SettingsError, match="line 4"):
        read(tmp_path, "A='one\ntwo'\n\nthree\n")


def test_the_environment_wins_also_with_an_empty_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a single start can go back to a default."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("A=file\nB=file\nC=file\n")
    assert with_env_file({"B": "own", "C": ""}) == {"A": "file", "B": "own", "C": ""}
    assert with_env_file({"ENV_FILE": " "}) == {"A": "file", "B": "file", "C": "file", "ENV_FILE": " "}
    assert with_env_file({"ENV_FILE": os.devnull}) == {"ENV_FILE": os.devnull}


@pytest.mark.parametrize("own", ["JWT_SECRET", "JWT_SECRET_FILE"])
@pytest.mark.parametrize("in_file", ["JWT_SECRET", "JWT_SECRET_FILE"])
def test_a_secret_of_the_environment_wins_under_either_of_its_names(
    tmp_path: Path, own: str, in_file: str
) -> None:
    """Both together would be a contradiction, which nobody meant."""
    path = tmp_path / "settings"
    path.write_text(f"{in_file}=file\nLOG_FILE=log\n")
    environ = {own: "own", "LOG": "x", "ENV_FILE": str(path)}
    assert with_env_file(environ) == environ | {"LOG_FILE": "log"}


def test_only_a_file_that_was_named_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual one need not; a folder of that name is no file."""
    monkeypatch.chdir(tmp_path)
    assert read_env_file({}) == {}
    with pytest.raises(SettingsError, match="No such file"):
        read_env_file({"ENV_FILE": "elsewhere"})
    (tmp_path / ".env").mkdir()
    with pytest.raises(SettingsError, match="Is a directory"):
        read_env_file({})


@pytest.mark.parametrize("main", [app_main, worker_main])
def test_both_processes_read_it_from_their_working_directory(
    main: Callable[[Sequence[str]], int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The error that ends them shows what they read, and none of its values."""
    (tmp_path / ".env").write_text("DATABASE_URL=mysql://hunter2\nLOG_LEVEL=loud\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ENV_FILE")
    monkeypatch.setenv("LOG_FORMAT", "xml")
    assert main(["migrate"]) == 2
    told = capsys.readouterr().err
    assert "DATABASE_URL: must look like" in told
    assert "LOG_LEVEL: must be one of debug, info, warning, error." in told
    assert "LOG_FORMAT: must be one of console, json." in told
    assert "hunter2" not in told


@pytest.mark.parametrize(
    "environ", [dict(os.environ), {n: os.environ[n] for n in PASSED_ON if n in os.environ}]
)
def test_no_test_reads_the_file_of_a_developer(environ: dict[str, str]) -> None:
    """Neither this process nor one that a test starts."""
    assert environ["ENV_FILE"] == os.devnull
    assert read_env_file(environ) == {}
