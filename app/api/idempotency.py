"""The header Idempotency-Key: a customer's own name for one request."""

import re
from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from app.application.commands import IdempotencyKey
from kits.web.problems import FieldError, ProblemError

HEADER = "Idempotency-Key"
PATTERN = r"^[!-~]{1,255}(?![\s\S])"
_NAME = HEADER.lower().encode()
_KEY = re.compile(PATTERN)
_encode = msgspec.json.Encoder(order="deterministic").encode


def idempotency_key(headers: Iterable[tuple[bytes, bytes]], body: msgspec.Struct) -> IdempotencyKey | None:
    """The key and the hash of the decoded body, so that blanks and the order of members do not matter.

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
    return IdempotencyKey(key, blake2b(_encode(body), digest_size=32).digest())
