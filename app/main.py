"""Entrance: the HTTP applications of the order service, made from its container."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.di import Provide

from app.api.catalogue import product_keeping_routes
from app.api.coupons import coupon_routes
from app.api.dependencies import CatalogueDesk, OrderEntry, PaymentEntry
from app.api.docs import shop_docs
from app.api.orders import order_routes
from app.api.problems import shop_problems
from app.api.products import item_routes, product_routes
from app.api.stock import stock_routes
from app.application.catalogue_errors import CatalogueError
from app.application.errors import ApplicationError
from app.application.order_life import OrderLife
from app.application.order_queries import OrderQueries
from app.application.order_quotes import OrderQuotes
from app.container import Container
from app.domain.errors import OrderError
from kits.process.garbage_collection import long_lived_objects_set_aside
from kits.web.doors.query import require_strict_query
from kits.web.middleware.body_limit import MAX_BODY_BYTES
from kits.web.middleware.entrance import build_entrance
from kits.web.middleware.problem_handlers import problem_handlers
from kits.web.probes import create_probe_app
from kits.web.tokens.bearer import bearer_auth

INTAKE_STOP_SECONDS = 3.0


def create_app(container: Container) -> Litestar:
    """The application; its lifespan starts and stops the container's background parts.

    Raises:
        TokenKeysError: the configured keys cannot verify any token.
    """
    problems = shop_problems()

    @asynccontextmanager
    async def background(_app: Litestar) -> AsyncIterator[None]:
        lifecycle, order_door = container.lifecycle(), container.order_door.door()
        try:
            await lifecycle.start()
            await order_door.start()
            with long_lived_objects_set_aside():
                yield
        finally:
            # Also after a start that failed or was given up half-way.
            await order_door.stop()
            await container.order_intake().stop(within_seconds=INTAKE_STOP_SECONDS)
            await lifecycle.stop()

    authentication = bearer_auth(
        container.token_verifier(), container.refused_tokens(), container.rate_limiter()
    )
    app = Litestar(
        route_handlers=[
            order_routes(authentication),
            product_routes(product_keeping_routes(authentication), stock_routes(authentication)),
            item_routes(),
            coupon_routes(authentication),
        ],
        dependencies=_given(container),
        exception_handlers=problem_handlers(problems, coded=(OrderError, ApplicationError, CatalogueError)),
        lifespan=[background],
        before_request=require_strict_query,
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=shop_docs(problems),
        logging_config=None,
    )
    return build_entrance(
        app,
        problems=problems,
        turns=container.turns(),
        metrics=container.metrics(),
        cors_origins=container.settings().cors.origins,
    )


def create_ops_app(container: Container) -> Litestar:
    """What is for operators alone, on a listener of its own; both share the turns of strangers."""
    return create_probe_app(container.health(), container.metrics(), container.turns())


def _given(container: Container) -> dict[str, Provide]:
    def order_entry() -> OrderEntry:
        return OrderEntry(container.order_intake(), container.new_id())

    def payment_entry() -> PaymentEntry:
        return PaymentEntry(container.order_life(), container.settings().orders_self_pay)

    def order_life() -> OrderLife:
        return container.order_life()

    def catalogue() -> CatalogueDesk:
        desk: CatalogueDesk = container.catalogue.desk()
        return desk

    def order_queries() -> OrderQueries:
        return container.order_queries()

    def order_quotes() -> OrderQuotes:
        return container.order_quotes()

    return {
        "order_entry": Provide(order_entry, sync_to_thread=False),
        "payment_entry": Provide(payment_entry, sync_to_thread=False),
        "order_life": Provide(order_life, sync_to_thread=False),
        "catalogue": Provide(catalogue, sync_to_thread=False),
        "order_queries": Provide(order_queries, sync_to_thread=False),
        "order_quotes": Provide(order_quotes, sync_to_thread=False),
    }
