"""Entrance: `python -m bench.api`, the order service with one route more; `--one-by-one`: no group commit."""

import os
import sys

import uvloop

from app.application.held_rows import HeldRows
from app.application.order_intake import OrderIntake
from app.container import Container
from app.main import create_app, create_ops_app
from app.settings import AppSettings
from bench.no_op import no_op_route
from kits.observability.logs import configure_logging
from kits.process.signals import stop_on_signals
from kits.settings import read_settings
from kits.web.server.serving import Ops, serve
from kits.web.tokens.bearer import bearer_auth

ONE_BY_ONE = "--one-by-one"


async def main(settings: AppSettings, *, one_by_one: bool) -> None:
    """Serve until a signal."""
    container = Container(settings=settings)
    if one_by_one:
        alone = OrderIntake(
            container.order_facade().create_orders,
            HeldRows(container.transactions()),
            batch_size=1,
            transactions=settings.database.pool_size,
            queue_size=settings.intake.queue_size,
        )
        container.order_intake.override(alone)
    app = create_app(container)
    app.register(no_op_route(bearer_auth(container.token_verifier(), container.refused_tokens())))
    try:
        with stop_on_signals() as stop:
            await serve(
                app,
                host=settings.api.host,
                port=settings.api.port,
                stop=stop.asked,
                limits=settings.connection_limits,
                ops=Ops(app=create_ops_app(container), host=settings.ops.host, port=settings.ops.port),
            )
    finally:
        await container.pools().stop()


if __name__ == "__main__":
    from_environment = read_settings(AppSettings, os.environ)
    configure_logging(process="api", settings=from_environment.log)
    uvloop.run(main(from_environment, one_by_one=ONE_BY_ONE in sys.argv))
