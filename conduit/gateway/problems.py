"""Refusals in RealWorld's form, `errors` by field; GraphQL's is a list of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from conduit.contracts.refusals import BLANK, NOT_FOUND
from conduit.gateway.checking import INVALID
from kits.web.problems.details import FieldError, ProblemAnswer, Problems
from kits.web.problems.http_problems import HTTP_PROBLEMS

GRAPHQL_PATH = "/graphql"
_JSON = "application/json"
# What a code is about, and its words if they are RealWorld's own; otherwise the detail says it.
_FIELDS: Mapping[str, tuple[str, str]] = {
    "unauthenticated": ("token", "is missing"),
    "invalid_token": ("token", INVALID),
    "not_found": ("path", NOT_FOUND),
    "method_not_allowed": ("method", "is not possible here"),
    "malformed_body": ("body", ""),
    "payload_too_large": ("body", ""),
    "unsupported_media_type": ("body", ""),
    "rate_limited": ("requests", ""),
}
_ELSE = ("gateway", "")
_MISSING = ("Object missing required field", "Expected `object`, got `null`")


class RealWorldProblems(Problems):
    """The kinds of problems that any HTTP server has, answered as RealWorld's clients read them."""

    def __init__(self) -> None:
        super().__init__(HTTP_PROBLEMS)

    def answer(
        self,
        code: str,
        detail: str,
        *,
        path: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        facts: Mapping[str, Any] | None = None,  # noqa: ARG002 - the words say all
    ) -> ProblemAnswer:
        """See Problems; `path` tells which of the two forms is wanted."""
        kind = self.kind(code)
        sent = {"content-type": _JSON, **(headers or {})}
        if kind.retry_after_seconds is not None:
            sent.setdefault("retry-after", str(kind.retry_after_seconds))
        told = _told(kind.code, detail, errors)
        shown: object = told
        if path == GRAPHQL_PATH:
            shown = [graphql_error(kind.code, told)]
        return ProblemAnswer(kind.status, sent, msgspec.json.encode({"errors": shown}))


def graphql_error(
    code: str, errors: Mapping[str, Sequence[str]], *, service: str = "", path: Sequence[str | int] = ()
) -> dict[str, Any]:
    """One entry of GraphQL's `errors` (its specification, 7.1.3)."""
    message = "; ".join(f"{field} {', '.join(words)}" for field, words in errors.items())
    error: dict[str, Any] = {"message": message}
    if path:
        error["path"] = list(path)
    error["extensions"] = {"code": code, "errors": dict(errors)}
    if service:
        error["extensions"]["service"] = service
    return error


def _told(code: str, detail: str, errors: Sequence[FieldError]) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for error in errors:
        field, words = _fault(error)
        told.setdefault(_printable(field), []).append(_printable(words))
    if told:
        return told
    field, words = _FIELDS.get(code, _ELSE)
    return {field: [words or _printable(detail)]}


def _fault(error: FieldError) -> tuple[str, str]:
    if not isinstance(error.pointer, str):
        return str(error.parameter or error.header or "query"), error.detail
    field = error.pointer.rpartition("/")[2].lstrip("#") or "body"
    return field, BLANK if error.detail.startswith(_MISSING) else INVALID


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
