"""How a command of the development services ends on a bad day."""

import errno
import shutil

import pytest

from devservices import cli


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "/x"),
        shutil.Error(
            [(f"/from/{n}", f"/to/{n}", "[Errno 28] No space left on device: '/x'") for n in range(99)]
        ),
    ],
)
def test_a_full_disk_ends_in_a_sentence(
    error: OSError, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also while a folder is copied, where every file fails."""

    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "Stack", full)
    assert cli.main(["up"]) == 1
    assert capsys.readouterr().err == (
        "[Errno 28] No space left on device: '/x': check the free disk space and the rights on .devservices,"
        " then try again.\n"
    )
