"""Entrance: the HTTP applications of the Member API, made from its container."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.di import Provide

from kits.web.documents.pages import docs_config
from kits.web.doors.query import require_strict_query
from kits.web.middleware.body_limit import MAX_BODY_BYTES
from kits.web.middleware.entrance import build_entrance
from kits.web.middleware.problem_handlers import problem_handlers
from kits.web.probes import create_probe_app
from kits.web.tokens.bearer import bearer_auth
from services.members.api.doors import user_routes
from services.members.api.problems import member_problems
from services.members.container import Container
from services.members.ports import MembersError
from services.members.users import Users

_DESCRIPTION = (
    "Says who is called what, and tells every change as an event. Times are UTC. "
    "What a door does not know it refuses: query parameters, fields, members that stand twice. "
    "A development token: `python -m app token --sub m-1`."
)


def create_app(container: Container) -> Litestar:
    """The application; its lifespan starts and stops the container's background parts.

    Raises:
        TokenKeysError: the configured keys cannot verify any token.
    """
    problems = member_problems()

    @asynccontextmanager
    async def background(_app: Litestar) -> AsyncIterator[None]:
        async with container.lifecycle().running():
            yield

    def users() -> Users:
        return container.users()

    app = Litestar(
        route_handlers=[user_routes(bearer_auth(container.token_verifier(), container.refused_tokens()))],
        dependencies={"users": Provide(users, sync_to_thread=False)},
        exception_handlers=problem_handlers(problems, coded=(MembersError,)),
        lifespan=[background],
        before_request=require_strict_query,
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=docs_config(problems, title="Member API", version="1.0.0", description=_DESCRIPTION),
        logging_config=None,
    )
    return build_entrance(app, problems=problems, turns=container.turns(), metrics=container.metrics())


def create_ops_app(container: Container) -> Litestar:
    """What is for operators alone, on a listener of its own; both share the turns of strangers."""
    return create_probe_app(container.health(), container.metrics(), container.turns())
