"""Contract: the texts that travel, and how long each may be."""

from typing import Annotated

from msgspec import Meta

from kits.patterns import whole

MAX_NAME = 64
MAX_EMAIL = 254
MAX_BIO = 5_000
MAX_ADDRESS = 2_000
MAX_TITLE = 200
MAX_DESCRIPTION = 1_000
MAX_BODY = 40_000
MAX_COMMENT = 10_000
MAX_TAG = 50
MAX_TAGS = 30
MAX_SLUG = 250
MAX_PAGE = 100
MAX_OFFSET = 1_000_000
MAX_FOLLOWED = 5_000
"""Whom one user follows, at most: their ids fit into one request."""

# What a database takes: every character but the one that ends a text in C.
_ANY = whole(r"[^\x00]*")
PLAIN = whole(r"[^\x00-\x1f\x7f-\x9f]*")
"""One line: no control character."""
EMAIL = whole(r"[^\x00-\x20\x7f-\xa0@]{1,64}@[^\x00-\x20\x7f-\xa0@]{1,185}")

UserId = Annotated[str, Meta(min_length=1, max_length=64, pattern=whole("[!-~]*"))]
Username = Annotated[str, Meta(min_length=1, max_length=MAX_NAME, pattern=PLAIN)]
Email = Annotated[str, Meta(max_length=MAX_EMAIL, pattern=EMAIL)]
Bio = Annotated[str, Meta(max_length=MAX_BIO, pattern=_ANY)]
Address = Annotated[str, Meta(max_length=MAX_ADDRESS, pattern=PLAIN)]
"""Where a picture is; nobody here fetches it."""
Slug = Annotated[str, Meta(min_length=1, max_length=MAX_SLUG, pattern=PLAIN)]
Title = Annotated[str, Meta(min_length=1, max_length=MAX_TITLE, pattern=PLAIN)]
Description = Annotated[str, Meta(min_length=1, max_length=MAX_DESCRIPTION, pattern=_ANY)]
Body = Annotated[str, Meta(min_length=1, max_length=MAX_BODY, pattern=_ANY)]
CommentBody = Annotated[str, Meta(min_length=1, max_length=MAX_COMMENT, pattern=_ANY)]
Tag = Annotated[str, Meta(min_length=1, max_length=MAX_TAG, pattern=PLAIN)]
Tags = Annotated[list[Tag], Meta(max_length=MAX_TAGS)]
Limit = Annotated[int, Meta(ge=1, le=MAX_PAGE)]
Offset = Annotated[int, Meta(ge=0, le=MAX_OFFSET)]
