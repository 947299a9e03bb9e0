"""The way to the data platform: a token travels encrypted, and an authority can be named."""

from pathlib import Path

import pytest

from kits.settings import SettingsError, read_settings
from tests.certificates import CertificateAuthority
from worker.groups.data_platform.settings import DeliverySettings

BASE = {
    "DATABASE_URL": "postgresql://h/db",
    "KAFKA_BOOTSTRAP_SERVERS": "h:1",
    "DATA_PLATFORM_TOKEN": "hunter2",
}


def problems(**more: str) -> list[str]:
    """What a start would refuse."""
    try:
        read_settings(DeliverySettings, BASE | more)
    except SettingsError as error:
        return error.problems
    return []


@pytest.mark.parametrize(
    "url", ["http://platform:8002", "http://10.0.0.1", "http://127.0.0.1.evil.example", "http://[fe80::1]:80"]
)
def test_a_token_is_refused_where_others_can_read_it(url: str) -> None:
    """Unless a setting says that the network is trusted; the token itself is never repeated."""
    (problem,) = problems(DATA_PLATFORM_URL=url)
    assert problem.startswith("DATA_PLATFORM_TOKEN")
    assert "DATA_PLATFORM_ALLOW_PLAINTEXT_TOKEN" in problem
    assert "hunter2" not in problem
    assert problems(DATA_PLATFORM_URL=url, DATA_PLATFORM_ALLOW_PLAINTEXT_TOKEN="true") == []
    assert problems(DATA_PLATFORM_URL=url, DATA_PLATFORM_TOKEN="") == []


@pytest.mark.parametrize(
    "url",
    ["https://platform", "http://127.0.0.1:1", "http://127.8.9.1", "http://localhost:1", "http://[::1]:1"],
)
def test_a_token_may_go_where_nobody_else_reads(url: str) -> None:
    """Encrypted, or on this machine."""
    assert problems(DATA_PLATFORM_URL=url) == []


def test_the_authority_s_file_must_hold_certificates(tmp_path: Path) -> None:
    """Or a start says so, and not the first call."""
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("none")
    for path in (rubbish, tmp_path, tmp_path / "missing"):
        (problem,) = problems(DATA_PLATFORM_URL="https://p", DATA_PLATFORM_CA_FILE=str(path))
        assert problem.startswith("DATA_PLATFORM_CA_FILE")
    authority = CertificateAuthority(tmp_path, "ca")
    assert problems(DATA_PLATFORM_URL="https://p", DATA_PLATFORM_CA_FILE=str(authority.file)) == []
