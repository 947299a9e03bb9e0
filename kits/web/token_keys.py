"""The keys that verify tokens: one shared secret, or the public keys of a JSON Web Key Set (RFC 7517)."""

from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

MINIMUM_SECRET_BYTES = 32
MINIMUM_RSA_BITS = 2048
PUBLIC_ALGORITHMS = frozenset({"RS256", "ES256"})
# What PyJWT may raise on hostile input; the last three come from its JSON and number handling.
TOKEN_REFUSALS = (jwt.PyJWTError, ValueError, OverflowError, RecursionError)


class TokenKeysError(Exception):
    """The configured secret or key file cannot verify anything safely; the text says what to change."""

    code = "token_keys_invalid"


@dataclass(frozen=True, slots=True)
class TokenKey:
    """One key, one algorithm: a token can never choose how its own signature is checked (RFC 8725, 3.1)."""

    algorithm: str
    key: Any
    key_id: str | None = None


def secret_key(secret: str) -> TokenKey:
    """The HS256 key of a shared secret.

    Raises:
        TokenKeysError: it has fewer than 32 bytes.
    """
    if len(secret.encode()) < MINIMUM_SECRET_BYTES:
        raise TokenKeysError(f"JWT_SECRET needs at least {MINIMUM_SECRET_BYTES} bytes (RFC 7518, 3.2).")
    return TokenKey("HS256", secret.encode())


def keys_of_set(text: str, *, where: str) -> tuple[TokenKey, ...]:
    """The keys of a JSON Web Key Set; `where` names it in errors.

    Raises:
        TokenKeysError: it is no key set, has no usable key, or one that is not a safe public key.
    """
    try:
        key_set = jwt.PyJWKSet.from_json(text)
    except TOKEN_REFUSALS as error:
        raise TokenKeysError(f"{where} is not a readable JSON Web Key Set: {error}") from error
    keys = tuple(_public_key(where, key) for key in key_set.keys)
    if len({(key.algorithm, key.key_id) for key in keys}) != len(keys):
        raise TokenKeysError(f"{where} has several keys of one kind: give each its own `kid`.")
    return keys


def _public_key(where: str, key: jwt.PyJWK) -> TokenKey:
    if key.algorithm_name not in PUBLIC_ALGORITHMS:
        raise TokenKeysError(f"{where} may hold RS256 and ES256 keys only.")
    if isinstance(key.key, RSAPrivateKey | EllipticCurvePrivateKey):
        raise TokenKeysError(f"{where} holds a private key: give this service the public keys alone.")
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < MINIMUM_RSA_BITS:
        raise TokenKeysError(f"{where} has an RSA key of fewer than {MINIMUM_RSA_BITS} bits.")
    return TokenKey(key.algorithm_name, key.key, key.key_id)
