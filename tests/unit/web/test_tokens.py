"""Tokens: what proves an identity, and what does not."""

import base64
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from kits.web.token_keys import TokenKeysError
from kits.web.tokens import Identity, InvalidTokenError, TokenVerifier, issue_token

SECRET = "a-test-secret-of-more-than-32-bytes"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SHORT_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - to be refused
EC_KEY = ec.generate_private_key(ec.SECP256R1())
GOOD = {"sub": "c-1", "iss": "shop", "aud": "orders", "exp": int(time.time()) + 86_400}


def a_verifier(**values: Any) -> TokenVerifier:
    return TokenVerifier(**{"issuer": "shop", "audience": "orders", "secret": SECRET, **values})


def signed(key: Any = SECRET, algorithm: str = "HS256", headers: Any = None, **claims: Any) -> str:
    return jwt.encode({**GOOD, **claims}, key, algorithm=algorithm, headers=headers)


def unsigned(header: dict[str, Any], payload: dict[str, Any]) -> str:
    parts = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, payload)
    )
    return ".".join(parts) + "."


@pytest.fixture
def jwks_file(tmp_path: Path) -> str:
    keys = [
        {**RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True), "kid": "r", "alg": "RS256"},
        {**ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True), "kid": "e", "alg": "ES256"},
    ]
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": keys}))
    return str(path)


def test_an_issued_token_proves_its_subject_and_scopes() -> None:
    token = issue_token(SECRET, "c-1", issuer="shop", audience="orders", scopes=["orders:fulfil", "x"])
    assert a_verifier().verify(token) == Identity("c-1", frozenset({"orders:fulfil", "x"}))


def test_scopes_may_be_a_list_named_scp() -> None:
    assert a_verifier().verify(signed(scp=["a", "b", 3])).scopes == {"a", "b"}


@pytest.mark.parametrize("claim", ["sub", "iss", "aud", "exp"])
def test_every_required_claim_is_required(claim: str) -> None:
    with pytest.raises(InvalidTokenError, match=claim):
        a_verifier().verify(
            jwt.encode({name: value for name, value in GOOD.items() if name != claim}, SECRET)
        )


@pytest.mark.parametrize(
    "claims",
    [{"iss": "other"}, {"aud": "other"}, {"exp": -61}, {"nbf": 120}, {"iat": 120}],
)
def test_a_token_of_another_time_or_place_proves_nothing(claims: dict[str, Any]) -> None:
    # Times are counted from now, not from when the tests were collected.
    claims = {
        name: int(time.time()) + value if isinstance(value, int) else value for name, value in claims.items()
    }
    with pytest.raises(InvalidTokenError):
        a_verifier().verify(signed(**claims))


@pytest.mark.parametrize("claim", [{"exp": -55}, {"nbf": 55}, {"iat": 55}])
def test_clocks_may_differ_by_a_minute_either_way(claim: dict[str, int]) -> None:
    now = int(time.time())
    moved: dict[str, Any] = {name: now + seconds for name, seconds in claim.items()}
    assert a_verifier().verify(signed(**moved)).subject == "c-1"


@pytest.mark.parametrize("subject", ["", "a\n", "a\x00", "\ud800", "x" * 256, 7])
def test_a_subject_that_is_no_printable_text_is_refused(subject: Any) -> None:
    with pytest.raises(InvalidTokenError):
        a_verifier().verify(signed(sub=subject))


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
def test_an_unsigned_token_proves_nothing(algorithm: str) -> None:
    with pytest.raises(InvalidTokenError):
        a_verifier().verify(unsigned({"alg": algorithm, "typ": "JWT"}, GOOD))


def test_a_forged_signature_proves_nothing() -> None:
    with pytest.raises(InvalidTokenError):
        a_verifier().verify(signed("another-secret-of-more-than-32-bytes"))


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "a.b.c", "é.é.é", "x" * 9000, signed() + "x", signed() + ".x", unsigned([], GOOD)],  # type: ignore[arg-type]
    ids=["empty", "dot", "dots", "letters", "no ASCII", "long", "long signature", "four parts", "list"],
)
def test_what_is_no_token_is_refused_cleanly(token: str) -> None:
    with pytest.raises(InvalidTokenError):
        a_verifier().verify(token)


@pytest.mark.parametrize("expiry", ["soon", 1e400, [], {}, True])
def test_an_expiry_that_is_no_time_is_refused_cleanly(expiry: Any) -> None:
    with pytest.raises(InvalidTokenError):
        a_verifier().verify(signed(exp=expiry))


def test_a_deeply_nested_header_is_refused_cleanly() -> None:
    header = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 5000).decode().rstrip("=")
    with pytest.raises(InvalidTokenError):
        a_verifier().verify(f"{header}.e30.x")


@pytest.mark.parametrize(("key", "algorithm", "kid"), [(RSA_KEY, "RS256", "r"), (EC_KEY, "ES256", "e")])
def test_a_key_set_verifies_its_own_algorithms(jwks_file: str, key: Any, algorithm: str, kid: str) -> None:
    verifier = a_verifier(secret="", jwks_file=jwks_file)
    assert verifier.verify(signed(key, algorithm, {"kid": kid})).subject == "c-1"
    assert verifier.verify(signed(key, algorithm)).subject == "c-1"


def test_a_public_key_is_never_used_as_a_shared_secret(jwks_file: str) -> None:
    public = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    message = unsigned({"alg": "HS256", "kid": "r", "typ": "JWT"}, GOOD).rstrip(".")
    signature = base64.urlsafe_b64encode(hmac.digest(public, message.encode(), "sha256")).decode().rstrip("=")
    for verifier in (a_verifier(secret="", jwks_file=jwks_file), a_verifier(jwks_file=jwks_file)):
        with pytest.raises(InvalidTokenError):
            verifier.verify(f"{message}.{signature}")


def test_a_token_cannot_bring_its_own_key() -> None:
    own = {"jwk": ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True)}
    with pytest.raises(InvalidTokenError):
        a_verifier().verify(signed(EC_KEY, "ES256", own))


def test_a_short_secret_is_refused_at_the_start() -> None:
    with pytest.raises(TokenKeysError, match="32 bytes"):
        a_verifier(secret="short")


def test_no_key_at_all_is_refused_at_the_start() -> None:
    with pytest.raises(TokenKeysError, match="JWT_SECRET or JWT_JWKS_FILE"):
        a_verifier(secret="")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        '{"keys":[]}',
        json.dumps({"keys": [{"kty": "oct", "k": base64.urlsafe_b64encode(b"x" * 32).decode()}]}),
        json.dumps({"keys": [RSAAlgorithm.to_jwk(SHORT_KEY.public_key(), as_dict=True)]}),
        json.dumps({"keys": [RSAAlgorithm.to_jwk(RSA_KEY, as_dict=True)]}),
        json.dumps({"keys": [ECAlgorithm.to_jwk(EC_KEY, as_dict=True)]}),
        "\x00",
        "[" * 100_000,
        " " * 1_048_576 + "{}",
    ],
)
def test_a_key_file_without_safe_public_keys_is_refused_at_the_start(tmp_path: Path, content: str) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(content)
    with pytest.raises(TokenKeysError):
        a_verifier(secret="", jwks_file=str(path))


def test_a_remembered_token_expires_like_any_other() -> None:
    now = [time.time()]
    verifier = a_verifier(clock=lambda: now[0])
    token = signed(exp=int(now[0]) - 30)
    assert verifier.verify(token).subject == "c-1"
    now[0] += 31
    # Remembered no longer; the library's own clock still accepts it within the leeway.
    assert verifier.verify(token).subject == "c-1"
    assert len(verifier._verified) == 1


def test_the_memory_of_tokens_is_bounded() -> None:
    verifier = a_verifier(cache_size=2)
    for number in range(5):
        verifier.verify(signed(sub=f"c-{number}"))
    assert len(verifier._verified) == 2
