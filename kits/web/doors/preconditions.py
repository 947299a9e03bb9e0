"""Conditional requests (RFC 9110, 13): If-Match for who changes, If-None-Match for who has it already."""

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, TypeVar

from litestar import Request

from kits.web.doors.answers import BytesAnswer, NotModified, encode
from kits.web.problems.details import FieldError, ProblemError

T = TypeVar("T")

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS = re.compile(rf"[ \t]*(?:{_TAG})(?:[ \t]*,[ \t]*(?:{_TAG}))*[ \t]*")
_STRONG = re.compile(r'(W/)?"([1-9][0-9]{0,8})"')
_QUOTED = re.compile(r'(W/)?"([^"]*)"')
_OPAQUE = re.compile(r'"[^"]*"')
_ANY = "*"

PRIVATE: Mapping[str, str] = {"cache-control": "private, no-cache"}
PUBLIC: Mapping[str, str] = {"cache-control": "no-cache"}
"""May be kept, by its reader alone or by anybody, and is asked for again before each use."""


def expected_versions(request: Request[Any, Any, Any]) -> frozenset[int] | None:
    """The versions that If-Match names as entity tags; None if any will do (no header, or `*`).

    Entity tags here are version numbers. A weak tag, or one that is no number, names no version: comparison
    is strong (8.8.3.2), so such a precondition fails.

    Raises:
        ProblemError: invalid_request, the header is not a list of entity tags.
    """
    text = _tags(request, "If-Match")
    if text is None or text == _ANY:
        return None
    return frozenset(int(number) for weak, number in _STRONG.findall(text) if not weak)


def expected_tags(request: Request[Any, Any, Any]) -> frozenset[str] | None:
    """What stands between the quotes of the strong entity tags of If-Match; None if any will do.

    Raises:
        ProblemError: invalid_request, the header is not a list of entity tags.
    """
    text = _tags(request, "If-Match")
    if text is None or text == _ANY:
        return None
    return frozenset(tag for weak, tag in _QUOTED.findall(text) if not weak)


def has_if_match(request: Request[Any, Any, Any]) -> bool:
    """Whether the caller asks that there is something already: `*` and entity tags both do (13.1.1)."""
    return any(name == b"if-match" for name, _ in request.scope["headers"])


def version_tag(version: int) -> str:
    """The entity tag of something that counts its versions."""
    return f'"{version}"'


def content_tag(body: bytes, part: str = "") -> str:
    """The entity tag of what has no version: a hash; before it, with a dot, the tag of a `part` of it."""
    return f'"{part}{"." if part else ""}{blake2b(body, digest_size=12).hexdigest()}"'


def parts_of(tags: frozenset[str] | None) -> frozenset[str] | None:
    """The tags of the part, of such tags; None if any will do."""
    return None if tags is None else frozenset(tag.partition(".")[0] for tag in tags)


def conditional_answer(
    request: Request[Any, Any, Any],
    shown: T,
    *,
    headers: Mapping[str, str],
    version: int | None = None,
    part: str = "",
) -> BytesAnswer[T]:
    """200 that shows this with its ETag, or 304 without it if If-None-Match names that tag (13.1.2).

    The tag is the version, or for what has none `content_tag`. Comparison is weak, as a cache may have
    weakened what it keeps; `*` names whatever there is.

    Raises:
        ProblemError: invalid_request, the header is not a list of entity tags.
    """
    body = encode(shown)
    etag = version_tag(version) if version else content_tag(body, part)
    tagged = {"etag": etag, **headers}
    text = _tags(request, "If-None-Match")
    if text is not None and (text == _ANY or etag in _OPAQUE.findall(text)):
        return NotModified(tagged)
    return BytesAnswer(body, headers=tagged)


def _tags(request: Request[Any, Any, Any], header: str) -> str | None:
    name = header.lower().encode()
    values = [value for one, value in request.scope["headers"] if one == name]
    if not values:
        return None
    text = b",".join(values).decode("latin-1").strip(" \t")
    if text != _ANY and not _TAGS.fullmatch(text):
        detail = f'{header} must be `*` or entity tags in quotes, as in "1".'
        fault = FieldError(detail=detail, parameter=header)
        raise ProblemError("invalid_request", "A header breaks a rule; see errors.", errors=[fault])
    return text
