"""Slugs: what an article is called in an address, made from its title."""

import os
from base64 import b32encode
from collections.abc import Iterator
from unicodedata import category, normalize

MAX_LENGTH = 100
_NOTHING_LEFT = "article"
# What stands in the same place of an address and is no article.
_RESERVED = frozenset({"feed"})
_ATTEMPTS = 5
_MARKS = frozenset({"Mn", "Mc"})
_RANDOM_BYTES = 5
_RANDOM_LENGTH = 6


def slug_of(title: str) -> str:
    """The title's words in lower case (NFKC) with hyphens between them, at most 100 characters.

    A word is letters and digits of any script, with their marks. A title without a word: `article`.
    """
    text = normalize("NFKC", normalize("NFKC", title).lower())
    letters: list[str] = []
    for letter in text:
        is_in_word = letter.isalnum() or (category(letter) in _MARKS and letters[-1:] not in ([], ["-"]))
        if is_in_word or letters[-1:] != ["-"]:
            letters.append(letter if is_in_word else "-")
    return "".join(letters).strip("-")[:MAX_LENGTH].strip("-") or _NOTHING_LEFT


def slugs_for(title: str) -> Iterator[str]:
    """What an article may be called, in this order: the plain slug, then some with a random end."""
    plain = slug_of(title)
    if plain not in _RESERVED:
        yield plain
    for _ in range(_ATTEMPTS):
        yield f"{plain}-{b32encode(os.urandom(_RANDOM_BYTES)).decode().lower()[:_RANDOM_LENGTH]}"
