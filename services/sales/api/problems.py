"""Every error code of the sales' doors: its status, and what it means for the caller."""

from kits.web.problems.details import ProblemKind, Problems
from kits.web.problems.http_problems import HTTP_PROBLEMS


def _kind(status: int, code: str, title: str, meaning: str, retry: int | None = None) -> ProblemKind:
    return ProblemKind(code=code, status=status, title=title, meaning=meaning, retry_after_seconds=retry)


SALES_PROBLEMS: tuple[ProblemKind, ...] = (
    _kind(
        503,
        "storage_unavailable",
        "The database cannot be used now",
        "It is away, or lacks a table or a right: `detail` says it. Send the same request again after "
        "`Retry-After` seconds.",
        1,
    ),
    _kind(
        503,
        "storage_busy",
        "The database is busy",
        "It took too long over the rows. Send the same request again after `Retry-After` seconds.",
        1,
    ),
)

_PROBLEMS = Problems(HTTP_PROBLEMS, SALES_PROBLEMS)


def sales_problems() -> Problems:
    """All problem kinds of the sales."""
    return _PROBLEMS


def open_door(*codes: str) -> list[ProblemKind]:
    """What a door that is open to everybody may answer: these and what may always happen."""
    return _PROBLEMS.kinds(*codes, "internal_error", "overloaded", "storage_unavailable", "storage_busy")
