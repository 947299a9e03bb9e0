"""Set-up in a checkout of its own: what it does on a bad day, and that the next call mends it."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from devservices.instance import ROOT

SOURCE = ROOT / "devservices" / "bootstrap.py"
AS_PYTHON_3_9 = """
import runpy, sys
sys.version_info = (3, 9, 0, "final", 0)
runpy.run_path(sys.argv[1], run_name="__main__")
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with nothing but the set-up and a lock file that asks for one tiny package."""
    (tmp_path / "devservices").mkdir()
    shutil.copy(SOURCE, tmp_path / "devservices")
    wheel = build_wheel(tmp_path / "wheels")
    write_lock(tmp_path, hashlib.sha256(wheel.read_bytes()).hexdigest())
    return tmp_path


def build_wheel(directory: Path) -> Path:
    """A package `tiny` 1.0 with one module."""
    directory.mkdir()
    wheel = directory / "tiny-1.0-py3-none-any.whl"
    files = {
        "tiny.py": "WORD = 'installed'\n",
        "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={record_hash(text)},{len(text)}\n" for name, text in files.items())
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {**files, "tiny-1.0.dist-info/RECORD": record}.items():
            archive.writestr(name, text)
    return wheel


def record_hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def write_lock(checkout: Path, digest: str) -> None:
    (checkout / "requirements-dev.lock").write_text(f"tiny==1.0 --hash=sha256:{digest}\n")


def set_up(checkout: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the set-up as the Makefile does, with the wheels of this checkout as the only source."""
    settings = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(checkout / "wheels"),
        "PIP_CONFIG_FILE": os.devnull,
    }
    return subprocess.run(
        [sys.executable, "-I", str(checkout / "devservices" / "bootstrap.py")],
        env={**os.environ, **settings, **environ},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr.strip().splitlines()[-1]


def test_each_failure_ends_with_one_sentence_and_the_next_call_mends_it(checkout: Path) -> None:
    digest = (checkout / "requirements-dev.lock").read_text().rpartition(":")[2].strip()
    unreachable = {"PIP_NO_INDEX": "", "PIP_FIND_LINKS": "", "PIP_RETRIES": "1", "PIP_NO_CACHE_DIR": "1"}
    done = set_up(checkout, **unreachable, PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert done.returncode == 1
    assert "check the network" in last_line(done)

    write_lock(checkout, "0" * 64)
    done = set_up(checkout)
    assert done.returncode == 1
    assert "not the one that requirements-dev.lock names" in last_line(done)

    write_lock(checkout, digest)
    done = set_up(checkout)
    assert done.returncode == 0, done.stderr
    python = checkout / ".venv" / "bin" / "python"
    word = subprocess.run(
        [python, "-c", "import tiny; print(tiny.WORD)"], capture_output=True, text=True, check=True
    )
    assert word.stdout == "installed\n"

    done = set_up(checkout)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_old_python_says_which_one_is_needed_and_touches_nothing(checkout: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", AS_PYTHON_3_9, str(checkout / "devservices" / "bootstrap.py")],
        env={"PATH": str(checkout)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "This needs CPython 3.11 to 3.14, and `python3` is CPython 3.9: install one and put it on the PATH."
    )
    assert not (checkout / ".venv").exists()


def test_an_old_python_hands_over_to_a_fitting_one_on_the_path(checkout: Path) -> None:
    programs = checkout / "programs"
    programs.mkdir()
    (programs / "python3.11").write_text(
        f'#!/bin/sh\necho "python3.11 $*"\n[ "$1" = -c ] || echo went-on > "{checkout}/mark"\n'
    )
    (programs / "python3.11").chmod(0o755)
    subprocess.run(
        [sys.executable, "-I", "-c", AS_PYTHON_3_9, str(checkout / "devservices" / "bootstrap.py")],
        env={"PATH": f"{programs}:/bin"},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert (checkout / "mark").exists()
