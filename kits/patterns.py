"""Text patterns with one definition and two spellings: strict for our decoder, plain for everybody else.

Python's `$` lets a line end through that follows the text, and its `\\Z` means nothing elsewhere. In ECMA-262
(JSON Schema), RE2 and Rust's regex `$` is the end and nothing else: what is published ends with that.
"""

from typing import Any

_END = r"\Z"
# As the decoder's messages quote a pattern.
_QUOTED_END = repr(_END).removeprefix("'")


def whole(pattern: str) -> str:
    """What a text must be as a whole, for `msgspec.Meta(pattern=…)`.

    Use what ECMA-262, RE2 and Rust's regex have in common: literals, classes with `-` escaped, groups,
    alternatives and bounded repeats; no look-around, no back reference, no `\\d`, `\\w`, `\\s` or `\\b`.
    """
    return f"^(?:{pattern}){_END}" if "|" in pattern else f"^{pattern}{_END}"


def published(value: Any) -> Any:
    """A JSON Schema of msgspec with its patterns as other programs read them; works at any depth."""
    if isinstance(value, dict):
        return {name: _plain(part) if name == "pattern" else published(part) for name, part in value.items()}
    if isinstance(value, list):
        return [published(part) for part in value]
    return value


def published_message(message: str) -> str:
    """A decoder's message that quotes a pattern, as it is published."""
    return message.replace(_QUOTED_END, "$'")


def _plain(pattern: Any) -> Any:
    # A property may be called `pattern` too: then this is its schema.
    if not isinstance(pattern, str):
        return published(pattern)
    return pattern.removesuffix(_END) + "$" if pattern.endswith(_END) else pattern
