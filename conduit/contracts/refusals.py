"""Contract: how a service refuses, so that the gateway can say it in RealWorld's words."""

import re

from kits.rpc.errors import RpcError

BLANK = "can't be blank"
TAKEN = "has already been taken"
NOT_FOUND = "not found"
FORBIDDEN = "forbidden"
_WORD = re.compile("[a-z0-9]+")


def refusal(status: int, field: str, words: str) -> RpcError:
    """The error whose `detail` is what is wrong with `path`, the field: `errors: {field: [words]}`.

    Its code is `{field}_{words}` in snake_case of letters and digits, as in `article_not_found`.
    """
    plain = f"{field} {words}".replace("'", "").lower()
    return RpcError(status, "_".join(_WORD.findall(plain)), words, path=field)


def not_found(field: str) -> RpcError:
    """404: there is no such article, comment, profile or user."""
    return refusal(404, field, NOT_FOUND)


def forbidden(field: str) -> RpcError:
    """403: it is somebody else's."""
    return refusal(403, field, FORBIDDEN)


def taken(field: str) -> RpcError:
    """409: somebody has this username or email."""
    return refusal(409, field, TAKEN)
