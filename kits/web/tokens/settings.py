"""Bearer tokens: the settings of whoever verifies them, and of whoever makes one for a try."""

from typing import Annotated

import msgspec

from kits.settings import Secret, is_file
from kits.web.tokens.key_address import key_address_problems
from kits.web.tokens.keys import MINIMUM_SECRET_BYTES

Lifetime = Annotated[int, msgspec.Meta(ge=0, le=31_536_000)]


class SigningSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a development token: group `JWT_…`."""

    secret: Secret
    issuer: str = "order-pipeline"
    audience: str = "orders"
    type: str = ""
    max_lifetime_seconds: Lifetime = 0

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        return _secret_problems(self.secret)


class TokenSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What verifies tokens: group `JWT_…`."""

    secret: Secret = Secret("")
    jwks_file: str = ""
    jwks_url: str = ""
    issuer: str = "order-pipeline"
    audience: str = "orders"
    type: str = ""
    """The `typ` that the header of a token must have, for example at+jwt; empty: any."""
    max_lifetime_seconds: Lifetime = 0
    """The longest time between `iat` and `exp`; 0: any."""

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        found = _secret_problems(self.secret) if self.secret else []
        if not self.secret and not self.jwks_file and not self.jwks_url:
            found.append(
                "JWT_SECRET or JWT_JWKS_FILE or JWT_JWKS_URL is missing: one of them must verify the tokens."
            )
        if self.jwks_file and not is_file(self.jwks_file):
            found.append("JWT_JWKS_FILE: there is no such file.")
        if self.jwks_url:
            found += key_address_problems("JWT_JWKS_URL", self.jwks_url)
        return found


def _secret_problems(secret: Secret) -> list[str]:
    if len(secret.encode()) < MINIMUM_SECRET_BYTES:
        return [f"JWT_SECRET: must have at least {MINIMUM_SECRET_BYTES} bytes (try: openssl rand -hex 32)."]
    return []
