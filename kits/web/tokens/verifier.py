"""Bearer tokens (RFC 7519, hardened as RFC 8725 asks): who is asking, proven by a signature."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import jwt

from kits.observability.health import CheckResult, Status
from kits.web.tokens.claims import (
    Expected,
    InvalidTokenError,
    TokenFault,
    TokenHeader,
    checked_subject,
    read_claims,
    read_header,
    scopes_of,
)
from kits.web.tokens.followed_keys import FollowedKeys
from kits.web.tokens.jwks_file import JwksFile
from kits.web.tokens.jwks_url import JwksUrl
from kits.web.tokens.key_set import MOST_OF_ONE_NAME
from kits.web.tokens.keys import TokenKey, TokenKeysError, secret_key
from kits.web.tokens.settings import TokenSettings

LONGEST_TOKEN = 8192
CACHED_TOKENS = 4096
_LONGEST_CACHED_TOKEN = 2048
_PROVES_NOTHING = "The token is malformed or its signature is wrong."
_signatures = jwt.PyJWS(["HS256", "RS256", "ES256"])


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller of one request: the token's subject and what it may do."""

    subject: str
    scopes: frozenset[str] = frozenset()


class TokenVerifier:
    """Verifies signed tokens against a shared secret (HS256), a JWKS file and a JWKS URL (RS256, ES256).

    Whichever of them are configured count, together. A verified token is remembered until it expires or the
    keys change, at most 4,096 of them: a signature costs more than all the rest of a request's head.
    File and URL are followed (see JwksFile, JwksUrl). It is a health check too.
    """

    name = "token_keys"

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        token_type: str = "",
        max_lifetime_seconds: int = 0,
        secret: str = "",
        jwks_file: str = "",
        jwks_url: JwksUrl | None = None,
    ) -> None:
        """Read the keys.

        Args:
            token_type: the `typ` that a token's header must have, for example "at+jwt"; empty: any.
            max_lifetime_seconds: between a token's `iat` and `exp`; 0: any, and `iat` may be missing.
            secret: at least 32 bytes, empty if tokens are signed with public keys only.
            jwks_file: path of a JSON Web Key Set (RFC 7517) with public keys.
            jwks_url: started and stopped by whoever made it.

        Raises:
            TokenKeysError: no source of keys, a short secret, or a file without a usable key.
        """
        self._secret_keys = (secret_key(secret),) if secret else ()
        self._jwks_url = jwks_url if jwks_url is not None and jwks_url.configured else None
        self._sources: list[FollowedKeys] = [JwksFile(Path(jwks_file))] if jwks_file else []
        if self._jwks_url is not None:
            self._sources.append(self._jwks_url)
        if not self._secret_keys and not self._sources:
            raise TokenKeysError(
                "Set JWT_SECRET or JWT_JWKS_FILE or JWT_JWKS_URL: without a key no token can be verified."
            )
        self._expected = Expected(issuer, audience, token_type, max_lifetime_seconds)
        self._verified: dict[str, tuple[Identity, float]] = {}

    def verify(self, token: str) -> Identity:
        """Who holds this token: `aud`, `exp`, `iss` and `sub` are required, clocks may differ by 60 s.

        Raises:
            InvalidTokenError: expired, forged, for somebody else, or not a token at all. Nothing else is ever
                raised, whatever the bytes are.
        """
        self._look()
        known = self._verified.get(token)
        if known is not None:
            identity, expires_at = known
            if time.time() < expires_at:
                return identity
            del self._verified[token]
        identity, expires_at = self._read(token)
        self._remember(token, identity, expires_at)
        return identity

    async def newer_keys(self) -> bool:
        """Ask the JWKS URL again, for a token whose key is unknown; whether it has other keys now."""
        return self._jwks_url is not None and await self._jwks_url.newer()

    async def check(self) -> CheckResult:
        """Unready without any key, since every order would be refused; degraded while a source fails."""
        self._look()
        complaints = " ".join(source.complaint for source in self._sources if source.complaint)
        if not self._keys():
            return CheckResult(Status.UNREADY, f"No key verifies tokens. {complaints}".strip())
        return CheckResult(Status.DEGRADED if complaints else Status.OK, complaints)

    def _read(self, token: str) -> tuple[Identity, float]:
        if len(token) > LONGEST_TOKEN:
            raise InvalidTokenError(
                TokenFault.TOO_LONG, f"The token is longer than {LONGEST_TOKEN} characters."
            )
        try:
            header = read_header(token)
            self._expected.check_header(header)
            claims = read_claims(self._payload(token, header))
            subject, expires_at = self._expected.check_claims(claims, now=time.time())
            return Identity(subject, scopes_of(claims)), expires_at
        except InvalidTokenError:
            raise
        except Exception as error:
            # What a library makes of hostile bytes is the token's fault, not ours, whatever it is.
            raise InvalidTokenError(TokenFault.UNEXPECTED, _PROVES_NOTHING) from error

    def _payload(self, token: str, header: TokenHeader) -> bytes:
        for key in self._keys_for(header):
            try:
                payload: bytes = _signatures.decode(token, key.key, algorithms=[key.algorithm])
            except jwt.InvalidSignatureError:
                continue
            except jwt.PyJWTError as error:
                raise InvalidTokenError(TokenFault.MALFORMED, _PROVES_NOTHING) from error
            return payload
        raise InvalidTokenError(TokenFault.BAD_SIGNATURE, _PROVES_NOTHING)

    def _keys_for(self, header: TokenHeader) -> list[TokenKey]:
        fitting = self._fitting(header)
        if not fitting and header.alg != "HS256":
            # Signed with a key that is newer than our last look, perhaps.
            for source in self._sources:
                if source.reread():
                    self._verified.clear()
            fitting = self._fitting(header)
        if not 1 <= len(fitting) <= MOST_OF_ONE_NAME:
            raise InvalidTokenError(
                TokenFault.UNKNOWN_KEY, "The token's header names no key and algorithm that is accepted here."
            )
        return fitting

    def _fitting(self, header: TokenHeader) -> list[TokenKey]:
        return [
            key
            for key in self._keys()
            if key.algorithm == header.alg and (None in {header.kid, key.key_id} or key.key_id == header.kid)
        ]

    def _keys(self) -> tuple[TokenKey, ...]:
        return self._secret_keys + tuple(key for source in self._sources for key in source.keys)

    def _look(self) -> None:
        for source in self._sources:
            if source.look():
                self._verified.clear()

    def _remember(self, token: str, identity: Identity, expires_at: float) -> None:
        if len(token) > _LONGEST_CACHED_TOKEN:
            return
        if len(self._verified) >= CACHED_TOKENS:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = (identity, expires_at)


def verifier_of(settings: TokenSettings, jwks_url: JwksUrl) -> TokenVerifier:
    """The verifier that these settings ask for. Raises: as TokenVerifier."""
    return TokenVerifier(
        issuer=settings.issuer,
        audience=settings.audience,
        token_type=settings.type,
        max_lifetime_seconds=settings.max_lifetime_seconds,
        secret=settings.secret,
        jwks_file=settings.jwks_file,
        jwks_url=jwks_url,
    )


def issue_token(
    secret: str,
    sub: str,
    *,
    issuer: str,
    audience: str,
    token_type: str = "",
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
        "sub": checked_subject(sub),
        "iss": issuer,
        "aud": audience,
        "iat": issued_at,
        "exp": issued_at + ttl_seconds,
        "scope": " ".join(scopes),
    }
    headers = {"typ": token_type} if token_type else None
    return jwt.encode(claims, key.key, algorithm=key.algorithm, headers=headers)
