"""Profiles: a user as others see it, and who follows whom."""

from litestar import Router, delete, get, post
from litestar.middleware import DefineMiddleware

from conduit.gateway.api.examples import PROFILE
from conduit.gateway.api.rules import (
    AnyRequest,
    GivenServices,
    NameInPath,
    UserRequest,
    api_door,
    reader_of,
)
from conduit.gateway.api.schemas import ProfileAnswer
from kits.web.documents.openapi import SECURED
from kits.web.doors.answers import BytesAnswer, json_answer


def profile_routes(authentication: DefineMiddleware, identification: DefineMiddleware) -> Router:
    """`/profiles`; only following needs a token."""
    looks = Router("", route_handlers=[get_profile], middleware=[identification])
    changes = Router("", route_handlers=[follow, unfollow], middleware=[authentication], security=SECURED)
    return Router("/profiles/{username:str}", route_handlers=[looks, changes], tags=["profiles"])


@get(
    summary="Look at a profile",
    response_description="The profile.",
    operation_class=api_door(404, shows=PROFILE),
)
async def get_profile(
    request: AnyRequest, username: NameInPath, services: GivenServices
) -> BytesAnswer[ProfileAnswer]:
    """`following` is about whoever asks; false for nobody known."""
    return json_answer(ProfileAnswer(await services.profiles.profile(username, reader_of(request))))


@post(
    "/follow",
    status_code=200,
    summary="Follow",
    response_description="The profile, followed.",
    operation_class=api_door(401, 404, 422, shows=PROFILE),
)
async def follow(
    request: UserRequest, username: NameInPath, services: GivenServices
) -> BytesAnswer[ProfileAnswer]:
    """The same again changes nothing."""
    return json_answer(ProfileAnswer(await services.profiles.follow(username, request.auth.subject)))


@delete(
    "/follow",
    status_code=200,
    summary="Follow no more",
    response_description="The profile, not followed.",
    operation_class=api_door(401, 404, shows=PROFILE),
)
async def unfollow(
    request: UserRequest, username: NameInPath, services: GivenServices
) -> BytesAnswer[ProfileAnswer]:
    """The same again changes nothing."""
    return json_answer(ProfileAnswer(await services.profiles.unfollow(username, request.auth.subject)))
