"""Every error code of the Member API: its status, and what it means for the caller."""

from kits.web.problems.details import ProblemKind, Problems
from kits.web.problems.http_problems import HTTP_PROBLEMS


def _kind(status: int, code: str, title: str, meaning: str, retry: int | None = None) -> ProblemKind:
    return ProblemKind(code=code, status=status, title=title, meaning=meaning, retry_after_seconds=retry)


MEMBER_PROBLEMS: tuple[ProblemKind, ...] = (
    _kind(404, "member_not_found", "There is no such member", "No member has this id."),
    _kind(
        412,
        "precondition_failed",
        "The member has changed",
        "`If-Match` names none of its versions, or there is no such member; `version` is the one it is at. "
        "Look at the member and decide again.",
    ),
    _kind(
        422,
        "storage_refused",
        "The member cannot be stored",
        "The database refuses a value of it. Nothing was stored, and the same request is refused again.",
    ),
    _kind(
        503,
        "storage_unavailable",
        "The database cannot be used now",
        "It is away, read-only, or lacks a table or a right: `detail` says it. If it went away meanwhile, it "
        "is unknown whether the request was done. Send it again after `Retry-After` seconds: the same names "
        "twice change nothing.",
        1,
    ),
    _kind(
        503,
        "storage_busy",
        "The member is busy",
        "Somebody else holds the member, or the database took too long over it. Nothing was stored. Send the "
        "same request again after `Retry-After` seconds.",
        1,
    ),
    _kind(
        503,
        "storage_conflict",
        "The database is busy",
        "Nothing was stored. Send the same request again after `Retry-After` seconds.",
        1,
    ),
)

_PROBLEMS = Problems(HTTP_PROBLEMS, MEMBER_PROBLEMS)


def member_problems() -> Problems:
    """All problem kinds of the Member API."""
    return _PROBLEMS


def open_door(*codes: str) -> list[ProblemKind]:
    """What a door that is open to everybody may answer: these and what may always happen."""
    return _PROBLEMS.kinds(*codes, "internal_error", "overloaded", "storage_unavailable", "storage_busy")


def members_door(*codes: str) -> list[ProblemKind]:
    """What a door for token holders may answer."""
    return open_door(*codes, "unauthenticated", "invalid_token", "forbidden", "storage_conflict")
