"""What the documents name is there."""

import re

import pytest

from tests.architecture.source import ROOT

DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/api.md",
    "docs/runbook.md",
    "docs/guarantees.md",
    "docs/messaging.md",
    "docs/streams.md",
    "docs/schemas.md",
    "docs/conduit.md",
]
FOLDERS = (
    "app",
    "worker",
    "services",
    "conduit",
    "contracts",
    "kits",
    "devservices",
    "tests",
    "docs",
    "migrations",
    "bench",
    "judges",
)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_file_that_a_document_names_is_there(name: str) -> None:
    """In backticks with its path, or as a link."""
    text = (ROOT / name).read_text(encoding="utf-8")
    words = sorted(set(re.findall(r"`([\w.-]+/[\w./-]+)`", text)))
    named = [ROOT / word for word in words if word.partition("/")[0] in FOLDERS]
    linked = {link.partition("#")[0] for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text)}
    base = (ROOT / name).parent
    assert [
        word
        for word in sorted(named)
        if not (ROOT / word).exists() and not list(ROOT.glob(f"{word.relative_to(ROOT)}.py"))
    ] == []
    assert [link for link in sorted(linked - {""}) if not (base / link).exists()] == []


def test_hooks_before_a_commit_fetch_nothing() -> None:
    """They run what is in .venv already."""
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"repo: (\S+)", text)) == {"local"}
    assert set(re.findall(r"language: (\S+)", text)) == {"system"}
    assert all(entry.startswith(".venv/bin/") for entry in re.findall(r"entry: (\S+)", text))
