"""Problem details: one shape for every refusal."""

import json

import pytest

from kits.observability.traces import current_traceparent
from kits.web.problems.details import FieldError, ProblemKind, Problems
from kits.web.problems.http_problems import HTTP_PROBLEMS, code_of_status

PROBLEMS = Problems(HTTP_PROBLEMS)


def test_a_problem_has_every_standard_member_and_the_trace() -> None:
    token = current_traceparent.set("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    try:
        errors = [FieldError(detail="Too few.", pointer="#/items")]
        answer = PROBLEMS.answer("invalid_request", "No.", path="/orders", errors=errors)
    finally:
        current_traceparent.reset(token)
    assert answer.status == 422
    assert answer.headers == {"content-type": "application/problem+json"}
    assert json.loads(answer.body) == {
        "type": "/docs/problems#invalid_request",
        "title": "The request breaks a rule",
        "status": 422,
        "detail": "No.",
        "instance": "/orders",
        "code": "invalid_request",
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
        "errors": [{"detail": "Too few.", "pointer": "#/items"}],
    }


def test_a_problem_without_a_trace_gets_one_of_its_own() -> None:
    assert len(json.loads(PROBLEMS.answer("bad_request", "No.", path="").body)["traceId"]) == 32


def test_facts_become_members_but_never_replace_a_standard_one() -> None:
    answer = PROBLEMS.answer(
        "not_found", "No.", path="/", facts={"product": "p-1", "status": 200, "code": "x"}
    )
    body = json.loads(answer.body)
    assert (body["product"], body["status"], body["code"]) == ("p-1", 404, "not_found")


def test_a_problem_that_may_pass_says_when_to_come_back() -> None:
    assert PROBLEMS.answer("overloaded", "No.", path="/").headers["retry-after"] == "1"
    given = PROBLEMS.answer("overloaded", "No.", path="/", headers={"retry-after": "7"})
    assert given.headers["retry-after"] == "7"


def test_a_path_that_is_no_text_can_still_be_answered() -> None:
    assert json.loads(PROBLEMS.answer("not_found", "No.", path="/\ud800").body)["instance"] == "/?"


def test_an_unlisted_code_is_an_internal_error() -> None:
    assert PROBLEMS.answer("nonsense", "No.", path="/").status == 500


def test_a_code_cannot_be_listed_twice() -> None:
    again = ProblemKind(code="not_found", status=410, title="", meaning="")
    with pytest.raises(ValueError, match="twice"):
        Problems(HTTP_PROBLEMS, [again])


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, "not_found"),
        (418, "bad_request"),
        (400, "bad_request"),
        (502, "internal_error"),
        (503, "overloaded"),
    ],
)
def test_every_status_has_a_code(status: int, code: str) -> None:
    assert code_of_status(status) == code
