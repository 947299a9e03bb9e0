"""Users: registration, login, one's own account."""

from litestar import Router, get, post, put
from litestar.middleware import DefineMiddleware

from conduit.gateway.api.examples import ACCOUNT, LOGIN, REGISTRATION, USER
from conduit.gateway.api.rules import GivenServices, UserRequest, Wrapped, api_door
from conduit.gateway.api.schemas import UserAnswer
from conduit.gateway.forms import AccountChanges, Login, Registration
from kits.web.documents.openapi import SECURED
from kits.web.doors.answers import BytesAnswer, json_answer

_USER = Wrapped("user")


def user_routes(authentication: DefineMiddleware) -> Router:
    """`/users` for everybody, `/user` for its holder."""
    own = Router("/user", route_handlers=[get_user, put_user], middleware=[authentication], security=SECURED)
    return Router("", route_handlers=[register, log_in, own], tags=["users"])


@post(
    "/users",
    summary="Register",
    response_description="The new user, logged in.",
    operation_class=api_door(400, 409, 413, 415, 422, shows=USER, reads=REGISTRATION),
)
async def register(request: UserRequest, services: GivenServices) -> BytesAnswer[UserAnswer]:
    """A new user. The password travels to auth sealed, and is kept as a hash."""
    account = await services.auth.register(await _USER.read(request, Registration))
    return json_answer(UserAnswer.of(account), status=201)


@post(
    "/users/login",
    status_code=200,
    summary="Log in",
    response_description="The user, with a new token.",
    operation_class=api_door(400, 401, 413, 415, 422, shows=USER, reads=LOGIN),
)
async def log_in(request: UserRequest, services: GivenServices) -> BytesAnswer[UserAnswer]:
    """401 whichever of the two is wrong."""
    account = await services.auth.log_in(await _USER.read(request, Login))
    return json_answer(UserAnswer.of(account))


@get(
    summary="Look at oneself",
    response_description="The user.",
    operation_class=api_door(401, shows=USER),
)
async def get_user(request: UserRequest, services: GivenServices) -> BytesAnswer[UserAnswer]:
    """Whoever the token names."""
    return json_answer(UserAnswer.of(await services.auth.account(request.auth.subject, _token(request))))


@put(
    summary="Change oneself",
    response_description="The user as it is now.",
    operation_class=api_door(400, 401, 409, 413, 415, 422, shows=USER, reads=ACCOUNT),
)
async def put_user(request: UserRequest, services: GivenServices) -> BytesAnswer[UserAnswer]:
    """What is not there stays. The token stays good."""
    form = await _USER.read(request, AccountChanges)
    account = await services.auth.update(request.auth.subject, _token(request), form)
    return json_answer(UserAnswer.of(account))


def _token(request: UserRequest) -> str:
    # Authentication has read it: there is one such header, with a scheme before the token.
    return request.headers["authorization"].partition(" ")[2]
