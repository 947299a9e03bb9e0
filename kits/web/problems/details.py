"""Problem details (RFC 9457): one JSON shape for every refusal and failure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from kits.observability.traces import continue_trace, current_traceparent, trace_id

PROBLEM_JSON = "application/problem+json"
PROBLEM_DOCS = "/docs/problems"


class ProblemKind(msgspec.Struct, frozen=True, kw_only=True):
    """One error code: stable for programs, explained for people."""

    code: str
    status: int
    title: str
    meaning: str
    """For the documentation: when it happens and what the caller can do."""
    retry_after_seconds: int | None = None
    """Sent as Retry-After: the same request may succeed then."""

    @property
    def url(self) -> str:
        """Where the code is explained; the problem's `type`."""
        return f"{PROBLEM_DOCS}#{self.code}"


class FieldError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fault of a request, and where it is."""

    detail: str
    pointer: str | msgspec.UnsetType = msgspec.UNSET
    """A JSON Pointer as a URI fragment (RFC 6901, section 6) into the body, "#/items/0/quantity"."""
    parameter: str | msgspec.UnsetType = msgspec.UNSET
    """The name of a query parameter."""
    header: str | msgspec.UnsetType = msgspec.UNSET
    """The name of a header."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A problem detail. Further members say what the code is about, for example `product` and `available`."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    trace_id: str
    errors: Sequence[FieldError] = ()


class ProblemError(Exception):
    """Raised by an HTTP door to answer with a problem of the kind `code`."""

    code = "internal_error"

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self.code = code
        self.errors = errors
        self.headers = headers or {}
        self.facts = facts or {}
        super().__init__(detail)


class ProblemAnswer(msgspec.Struct, frozen=True):
    """A problem ready to be sent: status, headers and body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Problems:
    """All problem kinds of one process, and how an answer is made from them."""

    def __init__(self, *kinds: Iterable[ProblemKind]) -> None:
        """Raises ValueError if a code is listed twice."""
        listed = [kind for group in kinds for kind in group]
        self._kinds = {kind.code: kind for kind in listed}
        if len(self._kinds) != len(listed):
            raise ValueError("A problem code is listed twice.")

    def kind(self, code: str) -> ProblemKind:
        """The kind of this code; an unlisted code is `internal_error`."""
        return self._kinds.get(code) or self._kinds["internal_error"]

    def kinds(self, *codes: str) -> list[ProblemKind]:
        """The kinds of these codes. Raises KeyError for one that is not listed."""
        return [self._kinds[code] for code in codes]

    def __contains__(self, code: str) -> bool:
        return code in self._kinds

    def listed(self) -> list[ProblemKind]:
        """Every kind, by status and code."""
        return sorted(self._kinds.values(), key=lambda kind: (kind.status, kind.code))

    def answer(
        self,
        code: str,
        detail: str,
        *,
        path: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> ProblemAnswer:
        """The answer for one refused or failed request.

        Args:
            path: the request's path, the problem's `instance`.
            facts: extension members; they never replace a standard member.
        """
        kind = self.kind(code)
        problem = Problem(
            type=kind.url,
            title=kind.title,
            status=kind.status,
            detail=detail,
            instance=path,
            code=kind.code,
            # What is refused before it has a trace gets one of its own.
            trace_id=trace_id(current_traceparent.get() or continue_trace(None)),
            errors=errors,
        )
        members = msgspec.to_builtins(problem)
        members.update({name: value for name, value in (facts or {}).items() if name not in members})
        sent = {"content-type": PROBLEM_JSON, **(headers or {})}
        if kind.retry_after_seconds is not None:
            sent.setdefault("retry-after", str(kind.retry_after_seconds))
        return ProblemAnswer(kind.status, sent, _encode(members))


def _encode(members: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(members)
    except UnicodeEncodeError:
        # A lone surrogate from a decoded path or body cannot be written; the rest of the answer can.
        return msgspec.json.encode({name: _printable(value) for name, value in members.items()})


def _printable(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
