"""Entrance: the HTTP applications of the sales, made from their container."""

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
from services.sales.api.doors import get_sales
from services.sales.api.problems import sales_problems
from services.sales.container import Container
from services.sales.table.storage_errors import StorageError
from services.sales.table.store import SalesStore

_DESCRIPTION = (
    "What was ordered in every minute, made by a stream over the order events. Times are UTC. "
    "What a door does not know it refuses: query parameters, and those that stand twice."
)


def create_app(container: Container) -> Litestar:
    """The application; its lifespan starts and stops the container's background parts."""
    problems = sales_problems()

    @asynccontextmanager
    async def background(_app: Litestar) -> AsyncIterator[None]:
        async with container.lifecycle().running():
            yield

    def sales() -> SalesStore:
        return container.read_store()

    app = Litestar(
        route_handlers=[get_sales],
        dependencies={"sales": Provide(sales, sync_to_thread=False)},
        exception_handlers=problem_handlers(problems, coded=(StorageError,)),
        lifespan=[background],
        before_request=require_strict_query,
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=docs_config(problems, title="Sales", version="1.0.0", description=_DESCRIPTION),
        logging_config=None,
    )
    return build_entrance(app, problems=problems, turns=container.turns(), metrics=container.metrics())


def create_ops_app(container: Container) -> Litestar:
    """What is for operators alone, on a listener of its own; both share the turns of strangers."""
    return create_probe_app(container.health(), container.metrics(), container.turns())
