"""Refuses JSON objects that name a member twice: which of the two counts differs from reader to reader."""

import json
import re
from collections import Counter
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
        encoded = _encode(decoded)
        # A field that was left out is encoded too, as null.
        spare = encoded.count(b":") - encoded.count(b":null") - text.count(b":")
        if spare < 0 or self._always or b"\\" in text:
            _reader.decode(text.decode())


def _require_unique(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        times = Counter(name for name, _ in pairs)
        raise RepeatedMemberError(times.most_common(1)[0][0])


# Numbers stay texts: they do not matter here, and Python would refuse very long ones.
_reader = json.JSONDecoder(object_pairs_hook=_require_unique, parse_int=str, parse_float=str)
