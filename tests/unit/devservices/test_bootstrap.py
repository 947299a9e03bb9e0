"""What set-up refuses, and in which words."""

import ast
from pathlib import Path

import pytest

from devservices import bootstrap


def test_every_supported_python_is_taken() -> None:
    for minor in (11, 12, 13, 14):
        assert bootstrap.python_problem("CPython", (3, minor), without_gil=False) is None


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
    problem = bootstrap.python_problem(implementation, version, without_gil)
    assert problem is not None
    assert "install one" in problem
    assert "CPython 3.11 to 3.14" in problem


@pytest.mark.parametrize(
    ("system", "machine", "libc"),
    [("Linux", "x86_64", "glibc"), ("Linux", "aarch64", "glibc"), ("Darwin", "arm64", "")],
)
def test_the_platforms_with_wheels_are_taken(system: str, machine: str, libc: str) -> None:
    assert bootstrap.platform_problem(system, machine, libc) is None


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
    problem = bootstrap.platform_problem(system, machine, libc)
    assert problem is not None
    assert "docker compose" in problem


def test_a_full_disk_and_a_missing_venv_module_say_what_to_do() -> None:
    assert bootstrap.space_problem(10**12) is None
    assert "free some disk space" in str(bootstrap.space_problem(10**6))
    assert bootstrap.venv_problem(present=True, version=(3, 12)) is None
    assert "apt install python3.12-venv" in str(bootstrap.venv_problem(present=False, version=(3, 12)))


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "package index in use"),
        ("OSError: [Errno 28] No space left on device", "free at least"),
        ("WARNING: Retrying (Retry(total=4)) after connection broken", "check the network"),
        ("ERROR: No matching distribution found for x==1", "lacks a package"),
        ("anything else", "pip's words above"),
    ],
)
def test_what_pip_said_becomes_one_sentence(words: str, advice: str) -> None:
    sentence = bootstrap.pip_problem(words)
    assert advice in sentence
    assert "\n" not in sentence


def test_an_old_python_can_parse_the_file_that_refuses_it() -> None:
    source = Path(bootstrap.__file__).read_text()
    ast.parse(source, feature_version=(3, 6))
