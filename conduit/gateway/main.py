"""Entrance: the HTTP applications of conduit's gateway, made from its container."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request, Router
from litestar.di import Provide

from conduit.gateway.api.articles import article_routes
from conduit.gateway.api.comments import comment_routes
from conduit.gateway.api.favorites import favorite_routes
from conduit.gateway.api.profiles import profile_routes
from conduit.gateway.api.rules import refusal_answer
from conduit.gateway.api.tags import tag_routes
from conduit.gateway.api.users import user_routes
from conduit.gateway.backend import forget_deadline
from conduit.gateway.container import Container
from conduit.gateway.errors import RefusedError
from conduit.gateway.graphql.door import GraphQLDoor, graphql
from conduit.gateway.problems import RealWorldProblems
from conduit.gateway.services.all_services import Services
from kits.web.documents.pages import docs_config
from kits.web.doors.query import require_strict_query
from kits.web.middleware.body_limit import MAX_BODY_BYTES
from kits.web.middleware.entrance import build_entrance
from kits.web.middleware.problem_handlers import problem_handlers
from kits.web.probes import create_probe_app
from kits.web.tokens.bearer import bearer_auth

_SCHEMES = ("Token", "Bearer")
_DESCRIPTION = (
    "RealWorld's API over three services that are asked over Kafka, and GraphQL over the same. Times are "
    "UTC. Refusals are `errors` by field. What a door does not know it refuses: query parameters, members "
    "that stand twice; unknown fields of a body say nothing."
)


def create_app(container: Container) -> Litestar:
    """The application; its lifespan starts and stops the container's background parts.

    Raises:
        TokenKeysError: the key file can verify no token, or seal no password.
    """
    problems = RealWorldProblems()
    container.sealing_key()

    @asynccontextmanager
    async def background(_app: Litestar) -> AsyncIterator[None]:
        async with container.lifecycle().running():
            yield

    def services() -> Services:
        return container.services()

    def graphql_door() -> GraphQLDoor:
        return container.graphql_door()

    app = Litestar(
        route_handlers=_routes(container),
        dependencies={
            "services": Provide(services, sync_to_thread=False),
            "graphql_door": Provide(graphql_door, sync_to_thread=False),
        },
        exception_handlers={**problem_handlers(problems), RefusedError: refusal_answer},
        lifespan=[background],
        before_request=_begin,
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=docs_config(problems, title="Conduit", version="1.0.0", description=_DESCRIPTION),
        logging_config=None,
    )
    return build_entrance(
        app,
        problems=problems,
        turns=container.turns(),
        metrics=container.metrics(),
        cors_origins=container.settings().conduit_gateway.origins,
    )


def create_ops_app(container: Container) -> Litestar:
    """What is for operators alone, on a listener of its own; both share the turns of strangers."""
    return create_probe_app(container.health(), container.metrics(), container.turns())


def _routes(container: Container) -> list[Router]:
    verifier, refused = container.token_verifier(), container.refused_tokens()
    must = bearer_auth(verifier, refused, schemes=_SCHEMES)
    may = bearer_auth(verifier, refused, schemes=_SCHEMES, optional=True)
    api = Router(
        "/api",
        route_handlers=[
            user_routes(must),
            profile_routes(must, may),
            article_routes(must, may),
            favorite_routes(must),
            comment_routes(must, may),
            tag_routes(),
        ],
    )
    return [api, Router("", route_handlers=[graphql], middleware=[may])]


async def _begin(request: Request[Any, Any, Any]) -> None:
    forget_deadline()
    await require_strict_query(request)
