"""Keys of auth: made once, read whole, rotated by their order, and shown to nobody."""

import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from conduit.auth.keys import AuthKeys, key_files, write_keys
from conduit.auth.program import main
from conduit.contracts.sealing import UnsealableError, fresh_reply_key, seal_password
from conduit.contracts.tokens import ALGORITHM, AUDIENCE, ISSUER
from kits.settings import SettingsError
from kits.web.tokens.claims import InvalidTokenError, TokenFault
from kits.web.tokens.keys import TokenKeysError
from kits.web.tokens.signing import TokenSigner, new_signing_key
from kits.web.tokens.verifier import TokenVerifier
from tests.conduit_users import sealing_key

WEEK = 604_800


def written(folder: Path) -> tuple[Path, Path]:
    write_keys(folder)
    return key_files(folder)


def keys_of(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode(path.read_bytes())["keys"]
    return found


def a_file(path: Path, *keys: dict[str, Any]) -> Path:
    path.write_bytes(msgspec.json.encode({"keys": keys}))
    return path


def test_the_private_keys_are_for_their_owner_and_the_gateway_gets_the_public_parts_alone(
    tmp_path: Path,
) -> None:
    """What the gateway has verifies tokens and seals passwords, without a word in its log."""
    private, public = written(tmp_path / "new" / "folder")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    secret = keys_of(private)
    assert all(key.pop("d") for key in secret)
    assert keys_of(public) == secret
    assert [(key["use"], key["kty"], key["crv"]) for key in secret] == [
        ("sig", "EC", "P-256"), ("enc", "OKP", "X25519"),
    ]  # fmt: skip
    assert len({key["kid"] for key in secret}) == 2
    keys = AuthKeys(private, token_seconds=WEEK)
    with capture_logs() as lines:
        verifier = TokenVerifier(
            issuer=ISSUER, audience=AUDIENCE, jwks_file=str(public), max_lifetime_seconds=WEEK
        )
        assert verifier.verify(keys.issue("u-1")).subject == "u-1"
    assert lines == []
    sealed = seal_password("correct horse", fresh_reply_key(), sealing_key(public.parent))
    assert keys.open(sealed).password == "correct horse"


def test_keys_are_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command may be repeated; with one of the two files it says what to do about the other."""
    assert main(["keys", str(tmp_path)]) == 0
    assert capsys.readouterr().out.split() == [
        f"CONDUIT_AUTH_KEYS_FILE={tmp_path}/auth.json",
        f"CONDUIT_GATEWAY_KEYS_FILE={tmp_path}/gateway.json",
    ]
    before = [path.read_bytes() for path in sorted(tmp_path.iterdir())]
    assert main(["keys", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("Both files are there: nothing was changed.")
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == before
    for gone, left in (("auth.json", "gateway.json"), ("gateway.json", "auth.json")):
        content = (tmp_path / gone).read_bytes()
        (tmp_path / gone).unlink()
        assert main(["keys", str(tmp_path)]) == 1
        said = capsys.readouterr().err
        assert f"{left} is there, and keys are never overwritten: put {gone} back beside it" in said
        assert not (tmp_path / gone).exists()
        (tmp_path / gone).write_bytes(content)


def test_of_several_keys_the_first_signs_and_all_open(tmp_path: Path) -> None:
    """So keys rotate: what was signed or sealed before is good until the former keys are taken away."""
    former, _ = written(tmp_path / "former")
    new, _ = written(tmp_path / "new")
    both = a_file(tmp_path / "both.json", *keys_of(new), *keys_of(former))
    public = [{name: value for name, value in key.items() if name != "d"} for key in keys_of(both)]
    gateway = a_file(tmp_path / "public.json", *public)
    keys = AuthKeys(both, token_seconds=60)
    for folder in ("former", "new"):
        sealed = seal_password(folder, fresh_reply_key(), sealing_key(tmp_path / folder))
        assert keys.open(sealed).password == folder
    only_new = TokenVerifier(
        issuer=ISSUER, audience=AUDIENCE, jwks_file=str(tmp_path / "new" / "gateway.json")
    )
    assert only_new.verify(keys.issue("u-1")).subject == "u-1"
    every = TokenVerifier(issuer=ISSUER, audience=AUDIENCE, jwks_file=str(gateway))
    assert every.verify(AuthKeys(former, token_seconds=60).issue("u-2")).subject == "u-2"
    write_keys(tmp_path / "strange")
    with pytest.raises(UnsealableError):
        keys.open(seal_password("x", fresh_reply_key(), sealing_key(tmp_path / "strange")))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda keys: [], "no key whose `use` is sig"),
        (lambda keys: keys[:1], "no key whose `use` is enc"),
        (lambda keys: keys[1:], "no key whose `use` is sig"),
        (lambda keys: [{**keys[0], "d": "AA"}, keys[1]], "no readable EC key"),
        (lambda keys: [{**keys[0], "crv": "P-384"}, keys[1]], "no readable EC key"),
        (lambda keys: [{**keys[1], "use": "sig"}, keys[1]], "no readable EC key"),
        (lambda keys: [{**keys[0], "d": None}, keys[1]], "no readable EC key"),
        (lambda keys: [keys[0], {**keys[0], "use": "enc"}], "no private X25519 key"),
        (lambda keys: [*keys, {**keys[1], "d": "AAAA"}], "no private X25519 key"),
        (lambda keys: [*keys, {"use": "enc"}], "no private X25519 key"),
        (lambda keys: [keys[0], {**keys[1], "d": 7}], "no private X25519 key"),
    ],
)
def test_a_file_that_is_not_whole_is_told_without_its_keys(tmp_path: Path, change: Any, said: str) -> None:
    """In a sentence that begins with the setting."""
    private, public = written(tmp_path)
    keys = keys_of(private)
    with pytest.raises(SettingsError) as told:
        AuthKeys(a_file(tmp_path / "changed.json", *change(keys)), token_seconds=60)
    (problem,) = told.value.problems
    assert problem.startswith("CONDUIT_AUTH_KEYS_FILE: ")
    assert said in problem
    assert keys[0]["d"] not in problem
    with pytest.raises(SettingsError, match="no private EC key"):
        AuthKeys(public, token_seconds=60)


@pytest.mark.parametrize("content", [b"", b"{", b'{"keys":{}}', b'{"keys":[1]}', b"\xff", b"[" * 10_000])
def test_what_is_no_key_set_is_told_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    """And nothing of the content."""
    path = tmp_path / "keys.json"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match="is no JSON Web Key Set"):
        AuthKeys(path, token_seconds=60)
    with pytest.raises(SettingsError, match="is not readable"):
        AuthKeys(tmp_path, token_seconds=60)


def test_a_token_says_whose_it_is_for_whom_and_until_when() -> None:
    """And is refused before it is made if nobody could accept it."""
    signer = TokenSigner(key := new_signing_key(), issuer="i", audience="a", lifetime_seconds=60)
    assert key["alg"] == ALGORITHM
    with pytest.raises(InvalidTokenError):
        signer.issue("")
    with pytest.raises(TokenKeysError):
        TokenSigner({**key, "kty": "RSA"}, issuer="i", audience="a", lifetime_seconds=60)
    assert key["d"] not in repr(signer)


def test_an_old_token_and_one_for_somebody_else_prove_nothing(tmp_path: Path) -> None:
    """The gateway's verifier refuses both."""
    private, public = written(tmp_path)
    jwk = keys_of(private)[0]
    verifier = TokenVerifier(issuer=ISSUER, audience=AUDIENCE, jwks_file=str(public))
    for issuer, audience, now, fault in (
        (ISSUER, AUDIENCE, 1_000_000, TokenFault.EXPIRED),
        (ISSUER, "orders", None, TokenFault.WRONG_AUDIENCE),
        ("order-pipeline", AUDIENCE, None, TokenFault.WRONG_ISSUER),
    ):
        token = TokenSigner(jwk, issuer=issuer, audience=audience, lifetime_seconds=60).issue("u", now=now)
        with pytest.raises(InvalidTokenError) as refused:
            verifier.verify(token)
        assert refused.value.fault is fault
