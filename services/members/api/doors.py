"""The Member API's doors: who is called what, for everybody in the house; what one is called, for oneself."""

import re
from typing import Annotated, Any
from urllib.parse import quote

from litestar import Request, Router, get, put
from litestar.di import NamedDependency
from litestar.middleware import DefineMiddleware
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, SkipValidation

from contracts.member_events import full_name
from kits.observability.traces import current_traceparent
from kits.web.documents.openapi import IF_MATCH, IF_NONE_MATCH, SECURED, answer_header, door
from kits.web.doors.answers import BytesAnswer, json_answer
from kits.web.doors.json_body import JsonBody
from kits.web.doors.preconditions import (
    PUBLIC,
    conditional_answer,
    expected_versions,
    has_if_match,
    version_tag,
)
from kits.web.problems.details import FieldError, ProblemError
from kits.web.tokens.scopes import require_scope
from kits.web.tokens.verifier import Identity
from services.members.api.problems import members_door, open_door
from services.members.api.schemas import MEMBER, MEMBER_ID, NAMES_REQUEST, MemberBody, NamesRequest
from services.members.ports import Member, MemberNotFoundError, PutMember
from services.members.users import Users

WRITE_SCOPE = "members:write"
_NAMES = JsonBody(NamesRequest)
_ID = re.compile(MEMBER_ID)
_UNRESERVED = "!$&'()*+,;=:@"
_ETAG = answer_header("ETag", "The member's version, in quotes.")
_CREATED = ResponseSpec(
    MemberBody, generate_examples=False, description="The member is new; `Location` is its address."
)

# The pattern is no rule of the parameter: who breaks it is not found, and not a fault of the request.
UserId = Annotated[str, PathParameter(schema_extra={"maxLength": 64, "examples": [MEMBER.id]})]
# The container is typed; checking its object again on every request would cost without finding anything.
GivenUsers = NamedDependency[SkipValidation[Users]]


def user_routes(authentication: DefineMiddleware) -> Router:
    """`/users`; only a change needs a token."""
    changes = Router("", route_handlers=[put_user], middleware=[authentication], security=SECURED)
    return Router("/users", route_handlers=[get_user, changes], tags=["users"])


@get(
    "/{user_id:str}",
    summary="Look at a member",
    response_description="The member.",
    response_headers=[_ETAG],
    operation_class=door(
        open_door("member_not_found", "invalid_request"), shows=MEMBER, headers=[IF_NONE_MATCH]
    ),
)
async def get_user(
    request: Request[Any, Any, Any], user_id: UserId, users: GivenUsers
) -> BytesAnswer[MemberBody]:
    """What the member is called now."""
    if not _ID.fullmatch(user_id):
        raise MemberNotFoundError("There is no such member.")
    member = await users.get(user_id)
    return conditional_answer(request, _body(member), version=member.version, headers=PUBLIC)


@put(
    "/{user_id:str}",
    status_code=200,
    summary="Say what a member is called",
    response_description="The member as it is now.",
    response_headers=[_ETAG],
    responses={201: _CREATED},
    operation_class=door(
        members_door(
            "precondition_failed",
            "malformed_body",
            "payload_too_large",
            "unsupported_media_type",
            "invalid_request",
            "storage_refused",
        ),
        shows=MEMBER,
        reads=NAMES_REQUEST,
        headers=[IF_MATCH],
    ),
)
async def put_user(
    request: Request[Any, Identity, Any], user_id: UserId, users: GivenUsers
) -> BytesAnswer[MemberBody]:
    """Creates the member (201) or changes its names; the same names again change nothing.

    The token's subject is the member, or it has the scope `members:write`. With `If-Match` the member must
    be there, and at one of these versions. Every change is told in the topic `member.updated.v2` and, until
    its last reader has moved, in `member.updated.v1`.
    """
    if request.auth.subject != user_id:
        require_scope(request.auth, WRITE_SCOPE)
    if not _ID.fullmatch(user_id):
        fault = FieldError(detail="1 to 64 visible ASCII characters.", parameter="user_id")
        raise ProblemError("invalid_request", "The id breaks a rule; see errors.", errors=[fault])
    versions = expected_versions(request)
    names = await _NAMES.read(request)
    member, is_new = await users.put(
        PutMember(
            member_id=user_id,
            first_name=names.first_name,
            last_name=names.last_name,
            traceparent=current_traceparent.get(),
            must_exist=has_if_match(request),
            versions=versions,
        )
    )
    etag = {"etag": version_tag(member.version)}
    if is_new:
        return json_answer(_body(member), status=201, headers={**etag, "location": user_address(member.id)})
    return json_answer(_body(member), headers=etag)


def user_address(member_id: str) -> str:
    """Where a member is found."""
    return f"/users/{quote(member_id, safe=_UNRESERVED)}"


def _body(member: Member) -> MemberBody:
    return MemberBody(
        id=member.id,
        first_name=member.first_name,
        last_name=member.last_name,
        name=full_name(member.first_name, member.last_name),
        version=member.version,
        updated_at=member.updated_at,
    )
