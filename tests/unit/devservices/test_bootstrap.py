"""What set-up refuses, and in which words."""

import ast
import importlib.metadata
import re
from pathlib import Path

import pytest

from devservices import bootstrap, bootstrap_checks, bootstrap_packages
from devservices.instance import ROOT


def test_every_supported_python_is_taken() -> None:
    for minor in (11, 12, 13, 14):
        assert bootstrap_checks.python_problem("CPython", (3, minor), without_gil=False) is None


@pytest.mark.parametrize(
    ("implementation", "version", "without_gil"),
    [
        ("CPython", (3, 10), False),
        ("CPython", (3, 15), False),
        ("PyPy", (3, 11), False),
        ("CPython", (3, 13), True),
    ],
)
def test_another_python_is_refused_in_one_sentence_that_says_what_to_install(
    implementation: str, version: tuple[int, int], without_gil: bool
) -> None:
    problem = bootstrap_checks.python_problem(implementation, version, without_gil)
    assert problem is not None
    assert "install one" in problem
    assert "CPython 3.11 to 3.14" in problem


@pytest.mark.parametrize(
    ("system", "machine", "libc"),
    [("Linux", "x86_64", "glibc"), ("Linux", "aarch64", "glibc"), ("Darwin", "arm64", "")],
)
def test_the_platforms_with_wheels_are_taken(system: str, machine: str, libc: str) -> None:
    assert bootstrap_checks.platform_problem(system, machine, libc) is None


@pytest.mark.parametrize(
    ("system", "machine", "libc"),
    [
        ("Linux", "x86_64", ""),
        ("Linux", "riscv64", "glibc"),
        ("Darwin", "x86_64", ""),
        ("Windows", "AMD64", ""),
    ],
)
def test_another_platform_is_refused_and_pointed_to_docker(system: str, machine: str, libc: str) -> None:
    problem = bootstrap_checks.platform_problem(system, machine, libc)
    assert problem is not None
    assert "docker compose" in problem


def test_a_full_disk_and_a_missing_venv_module_say_what_to_do() -> None:
    assert bootstrap_checks.space_problem(10**12, "/") is None
    assert "free some disk space" in str(bootstrap_checks.space_problem(10**6, "/"))
    assert bootstrap_checks.venv_problem(present=True, version=(3, 12)) is None
    assert "apt install python3.12-venv" in str(bootstrap_checks.venv_problem(present=False, version=(3, 12)))


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "package index in use"),
        ("OSError: [Errno 28] No space left on device", "free at least"),
        ("WARNING: Retrying (Retry(total=4)) after connection broken", "check the network"),
        ("ERROR: No matching distribution found for x==1", "lacks a package"),
        ("  cause: Hash mismatch for `mako==1.4.3`", "package index in use"),
        ("  cause: failed to copy file: No space left on device (os error 28)", "free at least"),
        ("  cause: error sending request for url (https://index.invalid/)", "check the network"),
        ("error: No solution found when resolving dependencies", "lacks a package"),
        ("anything else", "the words above"),
    ],
)
def test_what_pip_and_uv_said_becomes_one_sentence(words: str, advice: str) -> None:
    sentence = bootstrap_packages.problem_of(words)
    assert advice in sentence
    assert "\n" not in sentence


LISTED = """\
:env:.find-links='/here /nowhere https://wheels.invalid'
:env:.no-index='0'
global.cert='/etc/ca.pem'
global.extra-index-url='https://a.invalid/simple\\nhttps://b.invalid/simple'
global.index-url='https://global.invalid'
global.no-cache-dir='true'
global.timeout='180'
install.index-url='https://user:hunter2@install.invalid/simple'
install.trusted-host='install.invalid'
wheel.index-url='https://wheel.invalid'
"""


def test_what_is_set_for_pip_holds_for_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    """In pip's own order, and no address on a command line, which everyone can read."""
    monkeypatch.setattr("os.path.exists", lambda path: path == "/here")
    settings = bootstrap_packages.pip_settings(LISTED)
    assert bootstrap_packages.uv_options(settings) == [
        "--find-links", "/here", "--find-links", "https://wheels.invalid",
        "--allow-insecure-host", "install.invalid",
    ]  # fmt: skip
    assert bootstrap_packages.uv_environment(settings) == {
        "UV_DEFAULT_INDEX": "https://user:hunter2@install.invalid/simple",
        "UV_INDEX": "https://a.invalid/simple https://b.invalid/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_SYSTEM_CERTS": "1",
        "SSL_CERT_FILE": "/etc/ca.pem",
        "UV_HTTP_TIMEOUT": "180",
        "UV_NO_CACHE": "1",
    }
    assert bootstrap_packages.uv_options({"no-index": ["1"]}) == ["--no-index"]
    assert bootstrap_packages.pip_settings("") == {}


def test_all_lock_files_name_uv_with_its_hashes() -> None:
    """Set-up takes it from the one that it installs."""
    kinds = [kind for ladder in bootstrap.LADDERS.values() for kind in ladder]
    entries = {bootstrap_packages.entry_of("uv", bootstrap.lock_files(kind)[-1]) for kind in kinds}
    assert len(entries) == 1
    lines = entries.pop().splitlines()
    assert lines[0].startswith("uv==")
    assert len(lines) > 10
    assert not lines[-1].endswith("\\")


@pytest.mark.parametrize("kind", bootstrap.LADDERS[".venv-sales"])
def test_the_lock_files_of_one_environment_agree(kind: str) -> None:
    """They are installed together: a package in both has one version."""
    one, other = (
        set(re.findall(r"^([a-z0-9._-]+)==(\S+)", Path(file).read_text(), re.MULTILINE))
        for file in bootstrap.lock_files(kind)
    )
    assert "quixstreams" in dict(one)
    shared = dict(one).keys() & dict(other).keys()
    assert shared
    assert {each for each in one if each[0] in shared} == {each for each in other if each[0] in shared}


def test_what_runs_needs_no_package_that_only_the_checks_have() -> None:
    """Every library that the product and its development services import is in `make run`'s lock file.

    One module is for builds alone; the import rule `schema-checks` keeps it out of every process.
    """
    for_builds = ROOT / "kits" / "schemas" / "compatibility.py"
    assert for_builds.exists()
    lock = Path(bootstrap.lock_files("run")[0]).read_text()
    named = {name.replace("-", "_") for name in re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE)}
    owners = importlib.metadata.packages_distributions()
    imported = {
        owner.lower().replace("-", "_")
        for package in ("app", "worker", "services", "contracts", "kits", "devservices", "migrations")
        for path in (ROOT / package).rglob("*.py")
        if path != for_builds
        for found in re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(), re.MULTILINE)
        for owner in owners.get(found, ())
    }
    assert {"litestar", "aiokafka", "jgo", "psutil"} <= imported <= named


def test_an_old_python_can_parse_the_file_that_refuses_it() -> None:
    for module in (bootstrap, bootstrap_checks, bootstrap_packages):
        ast.parse(Path(str(module.__file__)).read_text(), feature_version=(3, 6))
