"""Bearer tokens (RFC 7519, hardened as RFC 8725 asks): who is asking, proven by a signature."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from kits.web.jwks_file import JwksFile
from kits.web.token_keys import PUBLIC_ALGORITHMS, TOKEN_REFUSALS, TokenKey, TokenKeysError, secret_key

LEEWAY_SECONDS = 60
LONGEST_TOKEN = 8192
LONGEST_SUBJECT = 255
_LONGEST_CACHED_TOKEN = 2048
_REQUIRED_CLAIMS = ["aud", "exp", "iss", "sub"]


class InvalidTokenError(Exception):
    """The token proves nothing; the text is one sentence that may be shown to the caller."""

    code = "invalid_token"


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller of one request: the token's subject and what it may do."""

    subject: str
    scopes: frozenset[str] = frozenset()


class TokenVerifier:
    """Verifies signed tokens against one shared secret (HS256), a JWKS file (RS256, ES256), or both.

    A verified token is remembered until it expires or the keys change, at most `cache_size` of them: a
    signature costs more than all the rest of a request's head. The JWKS file is followed (see JwksFile).
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        secret: str = "",
        jwks_file: str = "",
        cache_size: int = 4096,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Read the keys.

        Args:
            secret: at least 32 bytes, empty if tokens are signed with public keys only.
            jwks_file: path of a JSON Web Key Set (RFC 7517) with public keys.
            clock: seconds since the epoch; decides when a remembered token expires.

        Raises:
            TokenKeysError: no usable key, a short secret, or a key that is not a public RSA or P-256 key.
        """
        self._secret_keys = (secret_key(secret),) if secret else ()
        self._jwks_file = JwksFile(Path(jwks_file)) if jwks_file else None
        if not self._keys():
            raise TokenKeysError("Set JWT_SECRET or JWT_JWKS_FILE: without a key no token can be verified.")
        self._issuer = issuer
        self._audience = audience
        self._cache_size = cache_size
        self._clock = clock
        self._verified: dict[str, tuple[Identity, float]] = {}

    def verify(self, token: str) -> Identity:
        """Who holds this token: `aud`, `exp`, `iss` and `sub` are required, clocks may differ by 60 s.

        Raises:
            InvalidTokenError: expired, forged, for somebody else, or not a token at all.
        """
        if self._jwks_file is not None and self._jwks_file.look():
            self._verified.clear()
        known = self._verified.get(token)
        if known is not None:
            identity, expires_at = known
            if self._clock() < expires_at:
                return identity
            del self._verified[token]
        identity, expires_at = self._read(token)
        self._remember(token, identity, expires_at)
        return identity

    def _read(self, token: str) -> tuple[Identity, float]:
        if len(token) > LONGEST_TOKEN:
            raise InvalidTokenError(f"The token is longer than {LONGEST_TOKEN} characters.")
        try:
            key = self._key_for(jwt.get_unverified_header(token))
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": _REQUIRED_CLAIMS},
            )
            return Identity(_subject(claims), _scopes(claims)), int(claims["exp"]) + LEEWAY_SECONDS
        except TOKEN_REFUSALS as error:
            raise InvalidTokenError(_reason(error)) from error

    def _key_for(self, header: dict[str, Any]) -> TokenKey:
        fitting = self._fitting(header)
        if not fitting and header.get("alg") in PUBLIC_ALGORITHMS and self._jwks_file is not None:
            # Signed with a key that is newer than our last look, perhaps.
            if self._jwks_file.reread():
                self._verified.clear()
            fitting = self._fitting(header)
        if len(fitting) != 1:
            raise InvalidTokenError("The token's header names no key and algorithm that is accepted here.")
        return fitting[0]

    def _fitting(self, header: dict[str, Any]) -> list[TokenKey]:
        algorithm, key_id = header.get("alg"), header.get("kid")
        return [
            key
            for key in self._keys()
            if key.algorithm == algorithm and (key_id is None or key.key_id is None or key.key_id == key_id)
        ]

    def _keys(self) -> tuple[TokenKey, ...]:
        return self._secret_keys + (self._jwks_file.keys if self._jwks_file is not None else ())

    def _remember(self, token: str, identity: Identity, expires_at: float) -> None:
        if len(token) > _LONGEST_CACHED_TOKEN or self._cache_size < 1:
            return
        if len(self._verified) >= self._cache_size:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = (identity, expires_at)


def issue_token(
    secret: str,
    sub: str,
    *,
    issuer: str,
    audience: str,
    scopes: Iterable[str] = (),
    ttl_seconds: int = 3600,
    now: float | None = None,
) -> str:
    """A signed HS256 token for development and tests.

    Raises:
        TokenKeysError: the secret has fewer than 32 bytes.
        InvalidTokenError: no verifier would accept this `sub`.
    """
    key = secret_key(secret)
    issued_at = int(time.time() if now is None else now)
    claims = {
        "sub": _subject({"sub": sub}),
        "iss": issuer,
        "aud": audience,
        "iat": issued_at,
        "exp": issued_at + ttl_seconds,
        "scope": " ".join(scopes),
    }
    return jwt.encode(claims, key.key, algorithm=key.algorithm)


def _subject(claims: dict[str, Any]) -> str:
    subject = claims["sub"]
    # It becomes a database key and a log field: no control character, no lone surrogate.
    if not isinstance(subject, str) or not 1 <= len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
        raise InvalidTokenError(f"`sub` must be 1 to {LONGEST_SUBJECT} printable characters.")
    return subject


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    """`scope` is one string (RFC 8693, 4.2), `scp` the list that some issuers write instead."""
    found = claims.get("scope") or claims.get("scp")
    words = found.split() if isinstance(found, str) else found
    if not isinstance(words, list):
        return frozenset()
    return frozenset(word for word in words if isinstance(word, str))


def _reason(error: Exception) -> str:
    if isinstance(error, jwt.ExpiredSignatureError):
        return "The token has expired."
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"The token lacks the claim `{error.claim}`."
    if isinstance(error, jwt.InvalidAudienceError | jwt.InvalidIssuerError):
        return "The token was made for somebody else (`aud`, `iss`)."
    if isinstance(error, jwt.ImmatureSignatureError):
        return "The token is not valid yet."
    return "The token is malformed or its signature is wrong."
