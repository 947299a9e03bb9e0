"""The keys that verify tokens: a shared secret here, public keys in a key set."""

from dataclasses import dataclass
from typing import Any

MINIMUM_SECRET_BYTES = 32


class TokenKeysError(Exception):
    """The configured secret or key set cannot verify anything safely; the text says what to change."""

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
