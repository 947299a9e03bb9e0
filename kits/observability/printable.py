"""What may be shown: text from outside without the characters that steer a terminal, and without secrets."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import msgspec

from kits.settings import Secret

MASK = "***"
_SECRET_WORDS = ("password", "passwd", "secret", "token", "authorization", "cookie", "credential", "apikey")
# What stands in texts: the user of an address, and what follows the scheme of an Authorization header.
_SECRETS_IN_TEXT = (
    (re.compile(r"(?<=://)[^/?#\s@]*(?:@[^/?#\s@]*)*@"), f"{MASK}@"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {MASK}"),
)
_DEEPEST = 8


def printable(text: str, *, keep: str = "") -> str:
    r"""The text with every character that shows nothing of itself as its JSON escape, as in `\u001b`.

    Those are control characters (C0, C1, DEL), line and paragraph separators, and marks that turn the
    direction of writing or stand for nothing (Unicode's Cc, Cf, Cs, Co, Cn, Zl, Zp). JSON stays JSON.

    Args:
        keep: characters that stay all the same; only what we wrote ourselves may keep its line breaks.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(one, keep) for one in text)


def masked(name: str, value: Any, depth: int = 0) -> Any:
    """The value of a field without secrets at any depth: by its name, its type, and what it looks like."""
    if isinstance(value, Secret) or _is_secret(name):
        return MASK
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, msgspec.Struct):
        value = {one: getattr(value, one) for one in value.__struct_fields__}
    if isinstance(value, Mapping | list | tuple | set | frozenset) and depth < _DEEPEST:
        return _masked_inside(name, value, depth + 1)
    return without_secrets(value if isinstance(value, str) else str(value))


def without_secrets(text: str) -> str:
    """The text without what looks like a password in an address or a bearer token."""
    for pattern, mask in _SECRETS_IN_TEXT:
        text = pattern.sub(mask, text)
    return text


def cleaned(value: Any) -> Any:
    """The value with every text in it `printable`, at any depth."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable(_text(key)): cleaned(one) for key, one in value.items()}
    return [cleaned(one) for one in value] if isinstance(value, list | tuple) else value


def _masked_inside(name: str, values: Any, depth: int) -> Any:
    if isinstance(values, Mapping):
        return {_text(key): masked(_text(key), one, depth) for key, one in values.items()}
    # A header as a pair: its name says whether its value is a secret.
    return [
        {_text(one[0]): masked(_text(one[0]), one[1], depth)} if _is_pair(one) else masked(name, one, depth)
        for one in values
    ]


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and isinstance(value[0], str | bytes)


def _is_secret(name: str) -> bool:
    plain = name.lower().replace("-", "").replace("_", "")
    return any(word in plain for word in _SECRET_WORDS)


def _text(key: Any) -> str:
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)


def _escaped(one: str, keep: str) -> str:
    if one.isprintable() or one in keep or unicodedata.category(one) == "Zs":
        return one
    units = one.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
