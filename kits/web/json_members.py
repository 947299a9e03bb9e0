"""Refuses JSON objects that name a member twice: which of the two counts differs from reader to reader."""

import json
import re
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode
_OTHER_DEFAULT = re.compile(rb'"default":(?!null\b)')


class RepeatedMemberError(Exception):
    """An object names a member twice, maybe spelled with escapes (RFC 8259, 4; RFC 7493, 2.3)."""

    code = "repeated_member"

    def __init__(self, name: str) -> None:
        super().__init__(f"the member `{name}` stands twice in one object")


class MemberCheck:
    """Looks for repeated members in what a decoder has read into `kind`; the decoder lets them through.

    Reading everything again costs more than decoding. So the colons are counted first: as many as the decoded
    value needs, and no escape that could hide one, means that no member stands twice. Only when there are
    more is the text read again; also when a field has a default other than null, since one that was left out
    would then make up for one too many.
    """

    def __init__(self, kind: Any) -> None:
        self._always = _OTHER_DEFAULT.search(_encode(msgspec.json.schema(kind))) is not None

    def require_unique(self, text: bytes, decoded: Any) -> None:
        """Check one text and what was decoded from it.

        Raises:
            RepeatedMemberError: an object in it, at any depth, names a member twice.
        """
        if self._always or b"\\" in text or text.count(b":") > _fewest_colons(decoded):
            json.loads(text, object_pairs_hook=_require_unique, parse_int=_skip, parse_float=_skip)


def _fewest_colons(decoded: Any) -> int:
    encoded = _encode(decoded)
    # A field that was left out is encoded too, as null.
    return encoded.count(b":") - encoded.count(b":null")


def _require_unique(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise RepeatedMemberError(name)
        seen.add(name)


def _skip(_number: str) -> None:
    """Numbers do not matter here, and Python would refuse very long ones."""
