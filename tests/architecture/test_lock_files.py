"""What is installed is known by its hash, and comes from wherever the reader's own settings say."""

import json
import re

from tests.architecture.source import ROOT


def test_python_packages_are_pinned_by_hash_and_name_no_index() -> None:
    """In every lock file."""
    for path in ROOT.glob("requirements*.lock"):
        text = path.read_text(encoding="utf-8")
        pinned = re.findall(
            r"^[a-z0-9][\w.\[\],-]*==\S+.*\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE
        )
        assert len(pinned) == len(re.findall(r"^\w", text, re.MULTILINE)) > 0, path.name
        assert "://" not in text, path.name


def test_npm_packages_are_pinned_by_hash_and_have_no_address() -> None:
    """`omit-lockfile-registry-resolved` leaves the address out, the integrity stays."""
    found = sorted(ROOT.glob("judges/*/package-lock.json"))
    assert len(found) == 3
    for path in found:
        text = path.read_text(encoding="utf-8")
        assert "://" not in text, path.name
        root, *packages = json.loads(text)["packages"].values()
        assert all(re.fullmatch(r"\d+(\.\d+)+", version) for version in root["dependencies"].values())
        assert all(package["integrity"].startswith("sha512-") for package in packages)
        assert not any("resolved" in package for package in packages)
