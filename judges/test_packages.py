"""The packages of the programs come whole or not at all."""

from pathlib import Path

import pytest

from judges.packages import NEST_VERSIONS, PackagesError, folder, install


def test_without_a_registry_the_sentence_says_what_to_do_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next call begins anew."""
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    for _ in range(2):
        with pytest.raises(PackagesError, match="check the network"):
            install(NEST_VERSIONS[0], tmp_path)
        assert {path.name for path in tmp_path.iterdir()} <= {"npm"}


def test_what_is_there_is_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a second run needs no network."""
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    folder(NEST_VERSIONS[0], tmp_path).mkdir()
    install(NEST_VERSIONS[0], tmp_path)
