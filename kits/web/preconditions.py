"""If-Match (RFC 9110, 13.1.1): the caller acts only on a state that it has seen."""

import re
from typing import Any

from litestar import Request

from kits.web.problems import FieldError, ProblemError

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS = re.compile(rf"[ \t]*(?:{_TAG})(?:[ \t]*,[ \t]*(?:{_TAG}))*[ \t]*")
_STRONG = re.compile(r'(W/)?"([1-9][0-9]{0,8})"')


def expected_versions(request: Request[Any, Any, Any]) -> frozenset[int] | None:
    """The versions that If-Match names as entity tags; None if any will do (no header, or `*`).

    Entity tags here are version numbers. A weak tag, or one that is no number, names no version: comparison
    is strong (8.8.3.2), so such a precondition fails.

    Raises:
        ProblemError: invalid_request, the header is not a list of entity tags.
    """
    values = [value for name, value in request.scope["headers"] if name == b"if-match"]
    if not values:
        return None
    text = b",".join(values).decode("latin-1")
    if text.strip() == "*":
        return None
    if not _TAGS.fullmatch(text):
        fault = FieldError(
            detail='If-Match must be `*` or entity tags in quotes, as in "1".', parameter="If-Match"
        )
        raise ProblemError("invalid_request", "A header breaks a rule; see errors.", errors=[fault])
    return frozenset(int(number) for weak, number in _STRONG.findall(text) if not weak)
