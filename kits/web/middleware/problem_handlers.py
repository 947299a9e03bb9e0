"""Turns whatever a handler or the framework raises into a problem detail; nothing internal leaks."""

from collections.abc import Sequence
from typing import Any

from litestar import Request
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap

from kits.web.doors.answers import BytesAnswer, problem_answer
from kits.web.middleware.methods import allowed_methods
from kits.web.problems.details import FieldError, ProblemError, Problems
from kits.web.problems.failures import FailureLog
from kits.web.problems.http_problems import code_of_status

AnyRequest = Request[Any, Any, Any]
_FAILED = "The service failed while it worked on this request."


def problem_handlers(problems: Problems, coded: Sequence[type[Exception]] = ()) -> ExceptionHandlersMap:
    """Exception handlers for Litestar that answer every exception with application/problem+json.

    Args:
        coded: exceptions with a `code` that `problems` lists, a sentence as text that the caller may read,
            and extension members in `facts`.
    """
    door = _ProblemDoor(problems)
    handlers: ExceptionHandlersMap = {
        Exception: door.unexpected,
        HTTPException: door.http,
        ValidationException: door.validation,
        ProblemError: door.raised,
    }
    return {**handlers, **dict.fromkeys(coded, door.coded)}


class _ProblemDoor:
    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._failures = FailureLog()

    def raised(self, request: AnyRequest, error: ProblemError) -> BytesAnswer[Any]:
        return self._response(
            request, error.code, str(error), errors=error.errors, headers=error.headers, facts=error.facts
        )

    def coded(self, request: AnyRequest, error: Exception) -> BytesAnswer[Any]:
        code = getattr(error, "code", "")
        if code not in self._problems:
            return self.unexpected(request, error)
        return self._response(request, code, str(error), facts=getattr(error, "facts", None))

    def http(self, request: AnyRequest, error: HTTPException) -> BytesAnswer[Any]:
        if error.status_code >= 500:
            return self.unexpected(request, error)
        headers = {name.lower(): value for name, value in (error.headers or {}).items()}
        if "allow" in headers:
            headers["allow"] = allowed_methods(set(headers["allow"].split(", ")))
        code = code_of_status(error.status_code)
        return self._response(request, code, f"{self._problems.kind(code).title}.", headers=headers)

    def validation(self, request: AnyRequest, error: ValidationException) -> BytesAnswer[Any]:
        found = error.extra if isinstance(error.extra, list) else []
        errors = [_field_error(item) for item in found if isinstance(item, dict)]
        return self._response(request, "invalid_request", "A parameter is not valid.", errors=errors)

    def unexpected(self, request: AnyRequest, error: Exception) -> BytesAnswer[Any]:
        self._failures.add(error, request.scope)
        return self._response(request, "internal_error", _FAILED)

    def _response(self, request: AnyRequest, code: str, detail: str, **members: Any) -> BytesAnswer[Any]:
        return problem_answer(self._problems.answer(code, detail, path=request.scope["path"], **members))


def _field_error(item: dict[str, Any]) -> FieldError:
    return FieldError(detail=str(item.get("message", "")), parameter=str(item.get("key", "")))
