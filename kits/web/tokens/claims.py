"""What a token says: its header and claims as typed structs, and what this service expects of them."""

from base64 import urlsafe_b64decode
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import msgspec

LEEWAY_SECONDS = 60
LONGEST_SUBJECT = 255
_LAST_SECOND = 253_402_300_799
_TYPE_PREFIX = "application/"


class TokenFault(StrEnum):
    """Why a token is refused; the label of a metric, so there are few."""

    NO_BEARER = "no_bearer"
    TOO_LONG = "too_long"
    MALFORMED = "malformed"
    UNSUPPORTED = "unsupported"
    WRONG_TYPE = "wrong_type"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    BAD_CLAIMS = "bad_claims"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    LIVES_TOO_LONG = "lives_too_long"
    UNEXPECTED = "unexpected"


class InvalidTokenError(Exception):
    """The token proves nothing; the text is one sentence in ASCII that may be shown to the caller."""

    code = "invalid_token"

    def __init__(self, fault: TokenFault, sentence: str) -> None:
        self.fault = fault
        super().__init__(sentence)


Moment = Annotated[float, msgspec.Meta(ge=0, le=_LAST_SECOND)]


class TokenHeader(msgspec.Struct, frozen=True):
    """The members of a JOSE header that decide anything here; nothing of it is proven yet."""

    alg: str
    kid: str | None = None
    typ: str | None = None
    b64: bool = True
    crit: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    enc: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    zip: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Claims(msgspec.Struct, frozen=True):
    """The claims that decide anything here; times in seconds since the epoch."""

    sub: str
    iss: str
    aud: str | list[str]
    exp: Moment
    nbf: Moment = 0.0
    iat: Moment | msgspec.UnsetType = msgspec.UNSET
    scope: Any = None
    scp: Any = None


_decode_header = msgspec.json.Decoder(TokenHeader).decode
_decode_claims = msgspec.json.Decoder(Claims).decode


def read_header(token: str) -> TokenHeader:
    """The header of a token that nobody has verified.

    Raises:
        InvalidTokenError: it is none, or asks for what is not supported (`crit`, encryption, compression).
    """
    segment = token.partition(".")[0]
    try:
        header = _decode_header(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (ValueError, RecursionError) as error:
        raise InvalidTokenError(TokenFault.MALFORMED, "The token's header is malformed.") from error
    asked = (header.crit, header.enc, header.zip)
    if not header.b64 or any(each is not msgspec.UNSET for each in asked):
        # What is critical must be understood (RFC 7515, 4.1.11), and nothing that can be asked for is.
        raise InvalidTokenError(
            TokenFault.UNSUPPORTED, "The token's header asks for an extension that is not supported."
        )
    return header


def read_claims(payload: bytes) -> Claims:
    """The claims of a verified payload.

    Raises:
        InvalidTokenError: it is no object, lacks a required claim, or one has the wrong type or range.
    """
    try:
        return _decode_claims(payload)
    except msgspec.ValidationError as error:
        raise InvalidTokenError(TokenFault.BAD_CLAIMS, f"A claim of the token is wrong: {error}.") from error
    except (ValueError, RecursionError) as error:
        raise InvalidTokenError(TokenFault.BAD_CLAIMS, "The token's claims are malformed.") from error


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say; an empty `token_type` and a `max_lifetime_seconds` of 0 demand nothing."""

    issuer: str
    audience: str
    token_type: str = ""
    max_lifetime_seconds: int = 0

    def check_header(self, header: TokenHeader) -> None:
        """Raises InvalidTokenError for another `typ` (RFC 8725, 3.11)."""
        if self.token_type and _plain_type(header.typ or "") != _plain_type(self.token_type):
            raise InvalidTokenError(TokenFault.WRONG_TYPE, "The token is of another type (`typ`).")

    def check_claims(self, claims: Claims, *, now: float) -> tuple[str, float]:
        """The subject, and when the token expires at the latest, both clocks' difference included.

        Raises:
            InvalidTokenError: for another time, place or purpose.
        """
        if claims.exp + LEEWAY_SECONDS <= now:
            raise InvalidTokenError(TokenFault.EXPIRED, "The token has expired.")
        if max(claims.nbf, claims.iat or 0.0) > now + LEEWAY_SECONDS:
            raise InvalidTokenError(TokenFault.NOT_YET_VALID, "The token is not valid yet.")
        if claims.iss != self.issuer:
            raise InvalidTokenError(TokenFault.WRONG_ISSUER, "The token was made by somebody else (`iss`).")
        if self.audience not in ([claims.aud] if isinstance(claims.aud, str) else claims.aud):
            raise InvalidTokenError(TokenFault.WRONG_AUDIENCE, "The token is for somebody else (`aud`).")
        if self.max_lifetime_seconds:
            if claims.iat is msgspec.UNSET:
                raise InvalidTokenError(TokenFault.BAD_CLAIMS, "The token lacks the claim `iat`.")
            if claims.exp - claims.iat > self.max_lifetime_seconds:
                sentence = f"The token is valid for more than {self.max_lifetime_seconds} s (`exp`, `iat`)."
                raise InvalidTokenError(TokenFault.LIVES_TOO_LONG, sentence)
        return checked_subject(claims.sub), claims.exp + LEEWAY_SECONDS


def checked_subject(subject: str) -> str:
    """`sub` if it can be a database key and a log field: no control character, no lone surrogate.

    Raises:
        InvalidTokenError: it can not.
    """
    if not 1 <= len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
        raise InvalidTokenError(
            TokenFault.BAD_CLAIMS, f"`sub` must be 1 to {LONGEST_SUBJECT} printable characters."
        )
    return subject


def scopes_of(claims: Claims) -> frozenset[str]:
    """`scope` is one string (RFC 8693, 4.2), `scp` the list that some issuers write instead."""
    found = claims.scope or claims.scp
    words = found.split() if isinstance(found, str) else found
    if not isinstance(words, list):
        return frozenset()
    return frozenset(word for word in words if isinstance(word, str))


def _plain_type(name: str) -> str:
    """Media types compare in any case, and `application/` may be left out (RFC 7515, 4.1.9)."""
    return name.lower().removeprefix(_TYPE_PREFIX)
