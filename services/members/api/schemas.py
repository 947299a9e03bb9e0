"""The shapes of the Member API's bodies, and an example of each."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from contracts.member_events import MAX_NAME, NAME_PATTERN

MEMBER_ID = "[!-~]{1,64}"

Name = Annotated[
    str,
    Meta(
        max_length=MAX_NAME,
        pattern=NAME_PATTERN,
        description="May be empty or blank if the other one is not.",
    ),
]


class NamesRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What a member is to be called; not both names may be empty or blank."""

    first_name: Name
    last_name: Name

    def __post_init__(self) -> None:
        """Raises ValueError if there is nothing to call the member by."""
        if not self.first_name.strip() and not self.last_name.strip():
            raise ValueError("One of `firstName` and `lastName` must say something")


class MemberBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A member as it stands; `version` grows with every change and is the ETag."""

    id: str
    first_name: str
    last_name: str
    name: Annotated[str, Meta(description="Both names, the last name first.")]
    version: int
    updated_at: datetime


NAMES_REQUEST = NamesRequest(first_name="길동", last_name="홍")
MEMBER = MemberBody(
    id="m-1",
    first_name="길동",
    last_name="홍",
    name="홍 길동",
    version=1,
    updated_at=datetime(2026, 11, 21, 7, 0, tzinfo=UTC),
)
