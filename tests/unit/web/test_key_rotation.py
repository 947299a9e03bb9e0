"""Keys rotate while the service runs: the file is followed, and a bad file takes no key away."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from structlog.testing import capture_logs

from kits.web.tokens import jwks_file as module
from kits.web.tokens.claims import InvalidTokenError
from kits.web.tokens.jwks_file import LOOK_SECONDS, JwksFile
from kits.web.tokens.keys import TokenKeysError
from kits.web.tokens.verifier import TokenVerifier

KEYS = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("old", "new")}


def write(path: Path, *names: str) -> None:
    """A key set with these keys."""
    keys = [{**ECAlgorithm.to_jwk(KEYS[name].public_key(), as_dict=True), "kid": name} for name in names]
    path.write_text(json.dumps({"keys": keys}))


def signed(name: str, *, kid: str | None = None, sub: str = "c-1") -> str:
    """A token of one of the keys."""
    claims = {"sub": sub, "iss": "shop", "aud": "orders", "exp": int(time.time()) + 600}
    return jwt.encode(claims, KEYS[name], algorithm="ES256", headers={"kid": kid or name})


class Clock:
    """Seconds that pass when a test says so."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def pass_a_look(self) -> None:
        self.now += LOOK_SECONDS


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time of the key file."""
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A key set with the old key."""
    write(tmp_path / "jwks.json", "old")
    return tmp_path / "jwks.json"


@pytest.fixture
def verifier(path: Path, clock: Clock) -> TokenVerifier:
    """Follows the file under the test's clock."""
    return TokenVerifier(issuer="shop", audience="orders", jwks_file=str(path))


def accepted(verifier: TokenVerifier, token: str) -> bool:
    """Whether the token proves anything."""
    try:
        verifier.verify(token)
    except InvalidTokenError:
        return False
    return True


def test_a_new_key_is_accepted_at_once_when_a_token_names_it(verifier: TokenVerifier, path: Path) -> None:
    """No look is due; the unknown name is the reason to read again."""
    write(path, "old", "new")
    assert accepted(verifier, signed("new"))
    assert accepted(verifier, signed("old"))


def test_a_removed_key_ends_its_tokens_remembered_ones_too(
    verifier: TokenVerifier, path: Path, clock: Clock
) -> None:
    """A key that was stolen is taken out of the file; a remembered token must not outlive it."""
    token = signed("old")
    assert accepted(verifier, token)
    write(path, "new")
    assert accepted(verifier, token)
    clock.pass_a_look()
    assert not accepted(verifier, token)
    assert accepted(verifier, signed("new"))


def break_it(path: Path) -> None:
    path.write_text('{"keys": [')


def remove_it(path: Path) -> None:
    path.unlink()


def empty_it(path: Path) -> None:
    path.write_text('{"keys": []}')


def make_it_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [break_it, remove_it, empty_it, make_it_a_folder])
def test_a_file_that_is_no_key_set_keeps_the_old_keys_and_is_told_once(
    verifier: TokenVerifier, path: Path, clock: Clock, damage: Callable[[Path], None]
) -> None:
    """A slip of an operator locks nobody out; the log says what to do, not once per request."""
    damage(path)
    with capture_logs() as logs:
        for _ in range(5):
            clock.pass_a_look()
            assert accepted(verifier, signed("old"))
            assert not accepted(verifier, signed("new"))
    (told,) = logs
    assert (told["event"], told["log_level"]) == ("token_keys_refused", "warning")
    assert "former keys stay" in told["action"]


def test_a_damaged_file_that_is_mended_is_read_even_if_its_time_stands_still(
    verifier: TokenVerifier, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow writer is read half-way; the clock of the file system may be coarse."""
    monkeypatch.setattr(module, "_mark_of", lambda _path: (1, 1, 1))
    path.write_text("{")
    clock.pass_a_look()
    assert not accepted(verifier, signed("new"))
    write(path, "new")
    clock.pass_a_look()
    with capture_logs() as logs:
        assert accepted(verifier, signed("new"))
    assert [line["event"] for line in logs] == ["token_keys_read"]


def test_tokens_that_name_unknown_keys_do_not_make_us_read_each_time(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attacker can name as many keys as he likes: one read per second."""
    reads = 0
    read = JwksFile._read

    def counting(file: JwksFile) -> bytes:
        nonlocal reads
        reads += 1
        return read(file)

    monkeypatch.setattr(JwksFile, "_read", counting)
    verifier = TokenVerifier(issuer="shop", audience="orders", jwks_file=str(path))
    reads = 0
    for second in range(3):
        for number in range(50):
            assert not accepted(verifier, signed("new", kid=f"unknown-{number}"))
        assert reads == second + 1
        clock.pass_a_look()


def test_an_unchanged_file_is_not_read_again(
    verifier: TokenVerifier, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look costs one stat."""
    monkeypatch.setattr(verifier._sources[0], "_read", lambda: pytest.fail("read again"))
    for _ in range(3):
        clock.pass_a_look()
        assert accepted(verifier, signed("old"))


def test_a_file_that_is_replaced_by_a_rename_is_followed(path: Path, clock: Clock) -> None:
    """As mounted secrets are: a link that is moved to another folder."""
    followed = JwksFile(path)
    write(path.with_suffix(".next"), "new")
    path.with_suffix(".next").replace(path)
    clock.pass_a_look()
    assert followed.look()
    assert [key.key_id for key in followed.keys] == ["new"]


def test_a_start_without_a_readable_file_fails(tmp_path: Path) -> None:
    """There are no former keys to keep."""
    with pytest.raises(TokenKeysError, match="not a readable"):
        JwksFile(tmp_path / "missing.json")
