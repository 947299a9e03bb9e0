"""A key set of somebody else: what is for signatures here is used, the rest is ignored and named once."""

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from structlog.testing import capture_logs

from kits.web.tokens.followed_keys import FollowedKeys
from kits.web.tokens.key_set import MOST_OF_ONE_NAME, read_key_set
from kits.web.tokens.keys import TokenKeysError

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SHORT_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - to be ignored
EC_KEYS = [ec.generate_private_key(ec.SECP256R1()) for _ in range(MOST_OF_ONE_NAME + 1)]
P384_KEY = ec.generate_private_key(ec.SECP384R1())
P521_KEY = ec.generate_private_key(ec.SECP521R1())
KOBLITZ_KEY = ec.generate_private_key(ec.SECP256K1())
EDWARDS_KEY = ed25519.Ed25519PrivateKey.generate()


def jwk(key: Any = None, **members: Any) -> dict[str, Any]:
    """The public half as a JWK; a member that is None is left out."""
    key = RSA_KEY if key is None else key
    kind: Any = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    algorithm = next((one for base, one in kind.items() if isinstance(key, base)), OKPAlgorithm)
    made = algorithm.to_jwk(key.public_key(), as_dict=True) | members
    return {name: value for name, value in made.items() if value is not None}


def key_set(*keys: Any) -> bytes:
    """These keys as a set."""
    return json.dumps({"keys": keys}).encode()


GOOD = jwk(EC_KEYS[0], kid="good")
ODD = {
    "RS512": jwk(alg="RS512", kid="odd"),
    "PS256": jwk(alg="PS256", kid="odd"),
    "RSA-OAEP": jwk(alg="RSA-OAEP-256", kid="odd"),
    "an RSA key labelled ES256": jwk(alg="ES256", kid="odd"),
    "an EC key labelled RS256": jwk(EC_KEYS[1], alg="RS256", kid="odd"),
    "an EC key labelled HS256": jwk(EC_KEYS[1], alg="HS256", kid="odd"),
    "EdDSA": jwk(EDWARDS_KEY, alg="EdDSA", kid="odd"),
    "ES384": jwk(P384_KEY, alg="ES384", kid="odd"),
    "P-384 without alg": jwk(P384_KEY, kid="odd"),
    "P-384 labelled ES256": jwk(P384_KEY, alg="ES256", kid="odd"),
    "P-521": jwk(P521_KEY, kid="odd"),
    "secp256k1": jwk(KOBLITZ_KEY, kid="odd"),
    "secp256k1 labelled ES256": jwk(KOBLITZ_KEY, alg="ES256", kid="odd"),
    "P-384's numbers on P-256": jwk(P384_KEY, crv="P-256", kid="odd"),
    "an EC key without crv": jwk(EC_KEYS[1], crv=None, kid="odd"),
    "a point that is not on the curve": jwk(EC_KEYS[1], x=jwk(EC_KEYS[2])["x"], kid="odd"),
    "for encryption": jwk(use="enc", kid="odd"),
    "of a use of its own": jwk(use="tls", kid="odd"),
    "a use that is no text": jwk(use=7, kid="odd"),
    "no verify among its operations": jwk(key_ops=["encrypt", "wrapKey"], kid="odd"),
    "no operation": jwk(key_ops=[], kid="odd"),
    "operations that are no list": jwk(key_ops="verify", kid="odd"),
    "1024 bits": jwk(SHORT_KEY, kid="odd"),
    "no kty": jwk(kty=None, kid="odd"),
    "an unknown kty": {"kty": "AKP", "pub": "x", "kid": "odd"},
    "a kty that is no text": {"kty": ["RSA"], "kid": "odd"},
    "a shared secret": {"kty": "oct", "k": urlsafe_b64encode(b"x" * 32).decode(), "kid": "odd"},
    "an RSA key without numbers": {"kty": "RSA", "kid": "odd"},
    "numbers that are no base64": jwk(n="***", kid="odd"),
    "numbers that are no text": jwk(n=7, kid="odd"),
    "an even exponent": jwk(e="Ag", kid="odd"),
    "an exponent of one": jwk(e="AQ", kid="odd"),
    "a modulus of nothing": jwk(n="", kid="odd"),
    "a modulus of half a megabyte": jwk(n="_" * 500_000, kid="odd"),
    "a kid that is no text": jwk(kid=7),
    "no object": "odd",
    "null": None,
    "a list": [jwk()],
}


@pytest.mark.parametrize("case", ODD)
def test_a_key_that_cannot_be_used_is_ignored_beside_a_good_one(case: str) -> None:
    """An identity provider publishes keys for everybody's purposes (RFC 7517, 5)."""
    for content in (key_set(ODD[case], GOOD), key_set(GOOD, ODD[case])):
        found = read_key_set(content, where="the set")
        assert [key.key_id for key in found.require_usable("the set")] == ["good"]
        assert len(found.ignored) == 1


@pytest.mark.parametrize("case", ODD)
def test_a_set_of_such_a_key_alone_is_refused_with_the_reason(case: str) -> None:
    """Nothing would verify."""
    found = read_key_set(key_set(ODD[case]), where="the set")
    with pytest.raises(TokenKeysError, match=r"the set has no key that verifies RS256 or ES256: .+\."):
        found.require_usable("the set")


@pytest.mark.parametrize(
    "key",
    [
        jwk(use="sig", alg="RS256", key_ops=["verify"], kid="k"),
        jwk(EC_KEYS[0], use="sig", alg="ES256", kid="k"),
        jwk(kid="k", use=None, alg=None, key_ops=None),
        jwk(EC_KEYS[0], kid="k", alg=None, key_ops=["sign", "verify"]),
        jwk(kid="k", x5t="abc", x5c=["MIIC"], issuer="somebody", n_of_a_kind=[{}]),
    ],
)
def test_a_key_for_signatures_is_used(key: dict[str, Any]) -> None:
    """Members that nobody knows do not matter."""
    found = read_key_set(key_set(key), where="the set")
    assert [key.key_id for key in found.require_usable("the set")] == ["k"]
    assert found.ignored == []


@pytest.mark.parametrize(
    "key",
    [
        RSAAlgorithm.to_jwk(RSA_KEY, as_dict=True),
        ECAlgorithm.to_jwk(EC_KEYS[1], as_dict=True),
        OKPAlgorithm.to_jwk(EDWARDS_KEY, as_dict=True),
        ECAlgorithm.to_jwk(EC_KEYS[1], as_dict=True) | {"use": "enc"},
        {"kty": "new", "d": "x"},
    ],
    ids=["RSA", "EC", "EdDSA", "for encryption", "unknown kind"],
)
def test_a_private_key_anywhere_makes_the_set_refused(key: dict[str, Any]) -> None:
    """Whoever can read the set could sign: it is not ours to be silent about."""
    with pytest.raises(TokenKeysError, match="holds a private key"):
        read_key_set(key_set(GOOD, key), where="the set").require_usable("the set")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00",
        b"{}",
        b"[]",
        b"null",
        b'{"keys":{}}',
        b'{"keys":null}',
        b'{"keys":[',
        b"[" * 100_000,
        b'{"keys":' + b"[" * 100_000,
        b'{"keys":[1e999999999]}x',
        b"\xff\xfe",
        b" " * 1_048_576 + b"{}",
    ],
)
def test_what_is_no_key_set_is_refused(content: bytes) -> None:
    """With one sentence that names it."""
    with pytest.raises(TokenKeysError, match="the set is"):
        read_key_set(content, where="the set")


def test_a_few_keys_may_share_a_name_and_a_repeated_one_counts_once() -> None:
    """Each is tried for a token, so there must be few."""
    same = [jwk(key, kid="k") for key in EC_KEYS]
    found = read_key_set(key_set(same[0], *same), where="the set")
    assert len(found.usable) == MOST_OF_ONE_NAME
    assert [reason for _, reason in found.ignored] == ["it stands there twice", "4 others have its `kid`"]


def followed(*keys: Any) -> FollowedKeys:
    """Keys that are in use."""
    made = FollowedKeys("the set")
    made.adopt(key_set(*keys))
    return made


def names(keys: FollowedKeys) -> list[str | None]:
    return [key.key_id for key in keys.keys]


@pytest.mark.parametrize("case", ODD)
def test_a_rotation_with_an_odd_key_beside_takes_place(case: str) -> None:
    """The new key is in, the removed one is out."""
    keys = followed(jwk(EC_KEYS[1], kid="old"), GOOD)
    keys.adopt(key_set(ODD[case], GOOD, jwk(EC_KEYS[2], kid="new")))
    assert keys.look()
    assert names(keys) == ["good", "new"]


def test_a_removal_takes_effect_though_the_set_is_refused_for_a_private_key() -> None:
    """What was removed stops; what stands there still goes on; what is new waits for a clean set."""
    keys = followed(jwk(EC_KEYS[1], kid="stolen"), GOOD)
    with pytest.raises(TokenKeysError, match="private"):
        keys.adopt(key_set(GOOD, jwk(kid="new"), ECAlgorithm.to_jwk(EC_KEYS[2], as_dict=True)))
    assert names(keys) == ["good"]


def test_a_removal_takes_effect_though_nothing_usable_is_left() -> None:
    """The set names keys, and the former is not among them."""
    keys = followed(jwk(EC_KEYS[1], kid="stolen"))
    with pytest.raises(TokenKeysError, match="no key that verifies"):
        keys.adopt(key_set(ODD["EdDSA"]))
    assert names(keys) == []


@pytest.mark.parametrize("content", [b"", b"{", b'{"keys":[]}'])
def test_a_slip_takes_no_key_away(content: bytes) -> None:
    """A half-written set, or one that names no key at all, locks nobody out."""
    keys = followed(GOOD)
    with pytest.raises(TokenKeysError):
        keys.adopt(content)
    assert names(keys) == ["good"]


def test_an_ignored_key_is_named_once_for_each_reason() -> None:
    """Not at every look, and again only when it has another reason."""
    with capture_logs() as logs:
        keys = followed(GOOD, ODD["RS512"], ODD["EdDSA"])
        for _ in range(3):
            keys.adopt(key_set(GOOD, ODD["EdDSA"], ODD["RS512"]))
        keys.adopt(key_set(GOOD, ODD["of a use of its own"]))
    told = [(line["kid"], line["reason"]) for line in logs if line["event"] == "token_key_ignored"]
    assert told == [
        ("odd", "its `alg` is not RS256, the only one for its `kty` here"),
        ("odd", "its `kty` is neither RSA nor EC"),
        ("odd", "its `use` is not sig"),
    ]


def test_a_key_for_encryption_is_no_reason_for_a_warning() -> None:
    """One file may hold what verifies and what seals; whoever looks for the first skips the second."""
    sealing = {"kty": "OKP", "crv": "X25519", "x": "x" * 43, "use": "enc", "kid": "seal"}
    with capture_logs() as logs:
        keys = followed(GOOD, ODD["for encryption"], sealing)
    assert names(keys) == ["good"]
    assert [line for line in logs if line["event"] == "token_key_ignored"] == []
