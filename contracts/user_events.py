"""Contract: what is told of a user on the wire."""

import msgspec

USER_CREATED = "user.created.v1"


class UserCreated(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody has registered."""

    id: str
    name: str
    email: str
