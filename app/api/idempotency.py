"""The header Idempotency-Key: a customer's own name for one request."""

import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import msgspec

from app.application.commands import IdempotencyKey
from kits.patterns import whole
from kits.web.documents.openapi import answer_header, request_header
from kits.web.problems.details import FieldError, ProblemError

HEADER = "Idempotency-Key"
PATTERN = whole("[!-~]{1,255}")
KEY_HEADER = request_header(
    HEADER,
    "With it the request may be repeated: the same key for the same address, `If-Match` and body gets the "
    "same answer for 24 hours, also when the order has gone on. Blanks, the order of members and the coupon "
    "code's spelling do not make another body.",
    pattern=PATTERN,
    examples=["order-4711"],
)
REQUIRED_KEY_HEADER = request_header(
    HEADER,
    "The request may be repeated: the same key for the same address and body has one effect, and gets the "
    "same answer for 24 hours.",
    required=True,
    pattern=PATTERN,
    examples=["delivery-12"],
)
REPLAYED_HEADER = answer_header(
    "Idempotency-Replayed", "`true` when an earlier request with this key has done it.", required=False
)
REPLAYED = {"idempotency-replayed": "true"}
_NAME = HEADER.lower().encode()
_KEY = re.compile(PATTERN)
_encode = msgspec.json.Encoder(order="deterministic").encode


def has_key(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the header was sent at all."""
    return any(name == _NAME for name, _ in headers)


def idempotency_key(headers: Iterable[tuple[bytes, bytes]], asked: Any) -> IdempotencyKey | None:
    """The key and the hash of what is asked for, as msgspec encodes it.

    Of a body that is the decoded one: blanks, the order of members and the spelling of a coupon's code do not
    matter.

    Raises:
        ProblemError: invalid_request, for a key that is empty, too long, repeated or not visible ASCII.
    """
    keys = [value for name, value in headers if name == _NAME]
    if not keys:
        return None
    key = keys[0].decode("latin-1")
    if len(keys) > 1 or not _KEY.match(key):
        detail = "One value of 1 to 255 visible ASCII characters."
        fault = FieldError(detail=detail, header=HEADER)
        raise ProblemError("invalid_request", f"The header {HEADER} breaks a rule.", errors=[fault])
    return IdempotencyKey(key, blake2b(_encode(asked), digest_size=32).digest())


def required_key(headers: Iterable[tuple[bytes, bytes]], asked: Any) -> IdempotencyKey:
    """As `idempotency_key`, of a door that does nothing without one.

    Raises:
        ProblemError: invalid_request, also if there is no key.
    """
    key = idempotency_key(headers, asked)
    if key is None:
        fault = FieldError(detail="Send one: a repeated request would be done twice.", header=HEADER)
        raise ProblemError("invalid_request", f"The header {HEADER} is missing.", errors=[fault])
    return key
