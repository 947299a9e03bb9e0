"""Tokens: what proves an identity, and what does not."""

import base64
import hmac
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from kits.web.tokens import verifier as tokens
from kits.web.tokens.claims import InvalidTokenError, TokenFault
from kits.web.tokens.keys import TokenKeysError
from kits.web.tokens.verifier import Identity, TokenVerifier, issue_token

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


def test_a_remembered_token_expires_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = a_verifier()
    now = time.time()
    token = signed(exp=int(now) - 30)
    assert verifier.verify(token).subject == "c-1"
    monkeypatch.setattr(tokens, "time", SimpleNamespace(time=lambda: now + 31))
    with pytest.raises(InvalidTokenError, match="expired"):
        verifier.verify(token)


def test_the_memory_of_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "CACHED_TOKENS", 2)
    verifier = a_verifier()
    for number in range(5):
        verifier.verify(signed(sub=f"c-{number}"))
    assert len(verifier._verified) == 2


def raw_signed(header: str, payload: str) -> str:
    """A token with exactly this JSON and a right signature."""
    parts = [base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in (header, payload)]
    signature = hmac.digest(SECRET.encode(), ".".join(parts).encode(), "sha256")
    return ".".join([*parts, base64.urlsafe_b64encode(signature).decode().rstrip("=")])


def fault_of(verifier: TokenVerifier, token: str) -> TokenFault:
    """Why this token is refused."""
    with pytest.raises(InvalidTokenError) as refused:
        verifier.verify(token)
    assert str(refused.value).isascii()
    assert len(str(refused.value)) < 200
    return refused.value.fault


NOW = int(time.time())


@pytest.mark.parametrize(
    ("token", "fault"),
    [
        ("x" * 9000, TokenFault.TOO_LONG),
        ("a.b.c", TokenFault.MALFORMED),
        (raw_signed('{"alg":["HS256"]}', "{}"), TokenFault.MALFORMED),
        (raw_signed('{"alg":"HS256","kid":["a"]}', "{}"), TokenFault.MALFORMED),
        (signed(headers={"crit": ["exp"], "exp": 1}), TokenFault.UNSUPPORTED),
        (raw_signed('{"alg":"HS256","crit":[]}', "{}"), TokenFault.UNSUPPORTED),
        (raw_signed('{"alg":"HS256","b64":false,"crit":["b64"]}', "{}"), TokenFault.UNSUPPORTED),
        (raw_signed('{"alg":"HS256","zip":"DEF"}', "{}"), TokenFault.UNSUPPORTED),
        (raw_signed('{"alg":"dir","enc":"A256GCM"}', "{}"), TokenFault.UNSUPPORTED),
        (signed(EC_KEY, "ES256"), TokenFault.UNKNOWN_KEY),
        (signed("another-secret-of-more-than-32-bytes"), TokenFault.BAD_SIGNATURE),
        (raw_signed('{"alg":"HS256","cty":"JWT"}', signed()), TokenFault.BAD_CLAIMS),
        (signed(exp="123"), TokenFault.BAD_CLAIMS),
        (signed(exp=True), TokenFault.BAD_CLAIMS),
        (signed(exp=1e308), TokenFault.BAD_CLAIMS),
        (signed(exp=253_402_300_800), TokenFault.BAD_CLAIMS),
        (signed(exp=-1), TokenFault.BAD_CLAIMS),
        (signed(exp=float("nan")), TokenFault.BAD_CLAIMS),
        (signed(exp=0), TokenFault.EXPIRED),
        (signed(nbf=NOW + 1000), TokenFault.NOT_YET_VALID),
        (signed(iat=NOW + 1000), TokenFault.NOT_YET_VALID),
        (signed(nbf=None), TokenFault.BAD_CLAIMS),
        (raw_signed('{"alg":"HS256"}', json.dumps(GOOD | {"iss": ["shop"]})), TokenFault.BAD_CLAIMS),
        (signed(iss="other"), TokenFault.WRONG_ISSUER),
        (signed(aud={"orders": 1}), TokenFault.BAD_CLAIMS),
        (signed(aud=["orders", 7]), TokenFault.BAD_CLAIMS),
        (signed(aud=[]), TokenFault.WRONG_AUDIENCE),
        (signed(aud="other"), TokenFault.WRONG_AUDIENCE),
    ],
    # Not by the tokens: they tell the time, and processes that share the tests need the same names.
    ids=lambda value: value.name if isinstance(value, TokenFault) else "token",
)
def test_a_refusal_has_one_of_few_reasons(token: str, fault: TokenFault) -> None:
    """They are the labels of a metric; the sentence may go into a header."""
    assert fault_of(a_verifier(), token) is fault


@pytest.mark.parametrize(
    "exp", [NOW + 86_400, NOW + 86_400.5, 253_402_300_799], ids=["whole", "fraction", "end of 9999"]
)
def test_an_expiry_is_any_number_up_to_the_year_9999(exp: float) -> None:
    assert a_verifier().verify(signed(exp=exp)).subject == "c-1"


def test_what_a_library_raises_on_a_token_is_the_tokens_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is: no bytes of a token make it ours."""
    monkeypatch.setattr(
        tokens, "read_claims", lambda _payload: (_ for _ in ()).throw(MemoryError("too much"))
    )
    assert fault_of(a_verifier(), signed()) is TokenFault.UNEXPECTED


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_a_demanded_type_is_compared_as_a_media_type(typ: str) -> None:
    """RFC 7515, 4.1.9: in any case, with or without `application/`."""
    for demanded in ("at+jwt", "application/at+JWT"):
        verifier = a_verifier(token_type=demanded)
        assert verifier.verify(signed(headers={"typ": typ})).subject == "c-1"


@pytest.mark.parametrize("typ", ["JWT", "", "id+jwt", "at+jwt "])
def test_a_token_of_another_type_is_refused_where_one_is_demanded(typ: str) -> None:
    """An ID token is no access token (RFC 8725, 3.11); without the setting any type will do."""
    token = signed(headers={"typ": typ})
    assert fault_of(a_verifier(token_type="at+jwt"), token) is TokenFault.WRONG_TYPE
    assert a_verifier().verify(token).subject == "c-1"


def test_a_token_that_lives_longer_than_allowed_is_refused() -> None:
    """`iat` is required then; without the setting it is not."""
    verifier = a_verifier(max_lifetime_seconds=3600)
    assert verifier.verify(signed(iat=NOW, exp=NOW + 3600)).subject == "c-1"
    assert fault_of(verifier, signed(iat=NOW, exp=NOW + 3601)) is TokenFault.LIVES_TOO_LONG
    assert fault_of(verifier, signed(iat=0, exp=NOW + 86_400)) is TokenFault.LIVES_TOO_LONG
    assert fault_of(verifier, signed()) is TokenFault.BAD_CLAIMS
    assert a_verifier().verify(signed(iat=0)).subject == "c-1"


def test_an_issued_token_can_have_a_type() -> None:
    token = issue_token(SECRET, "c-1", issuer="shop", audience="orders", token_type="at+jwt")
    assert a_verifier(token_type="at+jwt").verify(token).subject == "c-1"


def test_each_of_several_keys_with_one_name_is_tried(tmp_path: Path) -> None:
    """Not every issuer names its keys."""
    others = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    path = tmp_path / "jwks.json"
    public = [ECAlgorithm.to_jwk(key.public_key(), as_dict=True) for key in (*others, EC_KEY)]
    path.write_text(json.dumps({"keys": public}))
    verifier = a_verifier(secret="", jwks_file=str(path))
    assert verifier.verify(signed(EC_KEY, "ES256")).subject == "c-1"
    stranger = ec.generate_private_key(ec.SECP256R1())
    assert fault_of(verifier, signed(stranger, "ES256")) is TokenFault.BAD_SIGNATURE
