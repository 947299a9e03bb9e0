"""Set-up in a checkout of its own: what it does on a bad day, and that the next call mends it."""

import base64
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from devservices.instance import ROOT
from tests.waiting import patient

MODULE = ("-E", "-s", "-m", "devservices.bootstrap")
AS_PYTHON_3_9 = """
import runpy, sys
sys.version_info = (3, 9, 0, "final", 0)
runpy.run_module("devservices.bootstrap", run_name="__main__")
"""
# uv is there already, and too large to be made up: what is installed hands over to it.
UV = f"""#!/bin/sh
[ "$1" = --version ] && echo uv 1.0 && exit
exec {shlex.quote(str(Path(sys.executable).with_name("uv")))} "$@"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with nothing but the set-up and lock files that ask for one tiny package, and for uv."""
    (tmp_path / "devservices").mkdir()
    for source in [ROOT / "devservices" / "__init__.py", *(ROOT / "devservices").glob("bootstrap*.py")]:
        shutil.copy(source, tmp_path / "devservices")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    build_wheel(wheels, "uv", {"uv-1.0.data/scripts/uv": UV})
    for name in ("tiny", "small", "node"):
        build_wheel(wheels, name, {f"{name}.py": "WORD = 'installed'\n"})
    write_locks(tmp_path)
    return tmp_path


def build_wheel(directory: Path, name: str, content: Mapping[str, str]) -> None:
    """A package with these files, version 1.0."""
    files = {
        **content,
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{name}-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={record_hash(text)},{len(text)}\n" for path, text in files.items())
    with zipfile.ZipFile(directory / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        for path, text in {**files, f"{name}-1.0.dist-info/RECORD": record}.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = 0o100755 << 16
            archive.writestr(entry, text)


def record_hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def write_locks(checkout: Path, **wrong: str) -> None:
    """One for each kind, with a package more than the kind before it."""
    kinds = {"run": ("tiny", "uv"), "dev": ("small", "tiny", "uv"), "judges": ("node", "small", "tiny", "uv")}
    for kind, names in kinds.items():
        lines = [f"{name}==1.0 --hash=sha256:{wrong.get(name) or digest(checkout, name)}\n" for name in names]
        (checkout / f"requirements-{kind}.lock").write_text("".join(lines))


def digest(checkout: Path, name: str) -> str:
    return hashlib.sha256((checkout / "wheels" / f"{name}-1.0-py3-none-any.whl").read_bytes()).hexdigest()


def installed(checkout: Path) -> set[str]:
    """The packages of its environment."""
    found = (checkout / ".venv").glob("lib/python3*/site-packages/*.dist-info")
    return {path.name.partition("-")[0] for path in found}


def set_up(checkout: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the set-up as the Makefile does, with the wheels of this checkout as the only source."""
    settings = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(checkout / "wheels"),
        "PIP_CONFIG_FILE": os.devnull,
    }
    return subprocess.run(
        [sys.executable, *MODULE, *words],
        cwd=checkout,
        env={**os.environ, **settings, **environ},
        capture_output=True,
        text=True,
        timeout=patient(200),
        check=False,
    )


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr.strip().splitlines()[-1]


def test_each_failure_ends_with_one_sentence_and_the_next_call_mends_it(checkout: Path) -> None:
    """Whether it is pip that fails, which brings uv, or uv, which brings the rest."""
    unreachable = {"PIP_NO_INDEX": "", "PIP_FIND_LINKS": "", "PIP_RETRIES": "1", "PIP_NO_CACHE_DIR": "1"}
    done = set_up(checkout, **unreachable, PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert done.returncode == 1
    assert "check the network" in last_line(done)

    for wrong in ("uv", "tiny"):
        write_locks(checkout, **{wrong: "0" * 64})
        done = set_up(checkout)
        assert done.returncode == 1
        assert "not the one that the lock file names" in last_line(done)

    write_locks(checkout)
    done = set_up(checkout)
    assert done.returncode == 0, done.stderr
    python = checkout / ".venv" / "bin" / "python"
    word = subprocess.run(
        [python, "-c", "import tiny; print(tiny.WORD)"], capture_output=True, text=True, check=True
    )
    assert word.stdout == "installed\n"


def test_what_only_runs_gets_less_and_a_developer_and_the_judges_more(checkout: Path) -> None:
    """Once there, it stays, also when the lock files change; what they no longer name goes."""
    assert set_up(checkout, "run").returncode == 0
    assert installed(checkout) == {"tiny", "uv"}
    assert set_up(checkout).returncode == 0
    assert installed(checkout) == {"small", "tiny", "uv"}
    assert set_up(checkout, "judges").returncode == 0
    assert installed(checkout) == {"node", "small", "tiny", "uv"}
    for words in ([], ["run"], ["judges"]):
        done = set_up(checkout, *words)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    (checkout / "requirements-judges.lock").write_text((checkout / "requirements-run.lock").read_text())
    (checkout / "requirements-run.lock").write_text("not looked at\n")
    assert set_up(checkout, "run").returncode == 0
    assert installed(checkout) == {"tiny", "uv"}

    # A moved checkout, for example: the programs in it name the place where it was.
    stamp = checkout / ".venv" / "setup-complete"
    stamp.write_text(stamp.read_text().replace(str(checkout), "/elsewhere"))
    (checkout / ".venv" / "left-over").touch()
    assert set_up(checkout, "run").returncode == 0
    assert not (checkout / ".venv" / "left-over").exists()


def test_an_old_python_says_which_one_is_needed_and_touches_nothing(checkout: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-E", "-s", "-c", AS_PYTHON_3_9],
        cwd=checkout,
        env={"PATH": str(checkout)},
        capture_output=True,
        text=True,
        timeout=patient(60),
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
        [sys.executable, "-E", "-s", "-c", AS_PYTHON_3_9],
        cwd=checkout,
        env={"PATH": f"{programs}:/bin"},
        capture_output=True,
        timeout=patient(60),
        check=True,
    )
    assert (checkout / "mark").exists()
