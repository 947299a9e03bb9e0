"""Signs tokens (ES256) with a private JSON Web Key, for a process that other services trust."""

import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from kits.web.tokens.claims import checked_subject
from kits.web.tokens.keys import TokenKeysError

ALGORITHM = "ES256"


class TokenSigner:
    """Issues tokens that one of the keys of a key set verifies; its repr shows no key."""

    def __init__(self, jwk: Mapping[str, Any], *, issuer: str, audience: str, lifetime_seconds: int) -> None:
        """Args: jwk: a private EC key on P-256, with or without a `kid`.

        Raises:
            TokenKeysError: it is none; the text shows nothing of it.
        """
        self._key = _private_key(jwk)
        kid = jwk.get("kid")
        self._headers = {"kid": kid} if isinstance(kid, str) else None
        self._issuer = issuer
        self._audience = audience
        self._lifetime_seconds = lifetime_seconds

    def issue(self, subject: str, *, now: float | None = None) -> str:
        """A token of this subject, good from now on.

        Raises:
            InvalidTokenError: no verifier would accept this subject.
        """
        issued_at = int(time.time() if now is None else now)
        claims = {
            "sub": checked_subject(subject),
            "iss": self._issuer,
            "aud": self._audience,
            "iat": issued_at,
            "exp": issued_at + self._lifetime_seconds,
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers=self._headers)


def new_signing_key() -> dict[str, str]:
    """A fresh private key as a JSON Web Key for signatures; its `kid` is its thumbprint (RFC 7638)."""
    made = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
    return {**made, "kid": thumbprint(made, "crv", "kty", "x", "y"), "use": "sig", "alg": ALGORITHM}


def thumbprint(jwk: Mapping[str, Any], *members: str) -> str:
    """A name that follows from the key alone: SHA-256 of its required members, sorted by their names."""
    required = msgspec.json.encode({name: jwk[name] for name in sorted(members)})
    return urlsafe_b64encode(sha256(required).digest()).rstrip(b"=").decode()


def _private_key(jwk: Mapping[str, Any]) -> ec.EllipticCurvePrivateKey:
    try:
        key = ECAlgorithm.from_jwk(dict(jwk))
    except Exception as error:
        # Whatever two libraries say about numbers that are no key.
        raise TokenKeysError("The signing key is no readable EC key.") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise TokenKeysError("The signing key is no private EC key on P-256.")
    return key
