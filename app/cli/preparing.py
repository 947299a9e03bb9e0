"""Entrance: `migrate` and `seed`, before the first order."""

import argparse
import asyncio

from app.application.demo_catalogue import PRODUCTS, STOCK, demo_coupons, demo_products
from app.cli.environment import database, settings_of
from app.settings import DatabaseCommandSettings
from kits.terminal.arguments import Commands, positive
from kits.terminal.printing import say


def add_commands(commands: Commands) -> None:
    """Tell the parser about them."""
    migrate = commands.add_parser("migrate", help="bring the shop's tables to this build's schema")
    migrate.set_defaults(command=_migrate)
    seed = commands.add_parser("seed", help="fill an empty shop with demo products and a coupon")
    seed.set_defaults(command=_seed)
    seed.add_argument("--products", type=positive, help=f"how many products (default {PRODUCTS})")
    seed.add_argument("--stock", type=positive, help=f"pieces of each (default {STOCK})")


def _migrate(_options: argparse.Namespace) -> int:
    say(asyncio.run(_migrating(settings_of(DatabaseCommandSettings))))
    return 0


async def _migrating(settings: DatabaseCommandSettings) -> str:
    async with database(settings, migrated=False) as container:
        return await container.history().migrate(container.engine())


def _seed(options: argparse.Namespace) -> int:
    say(asyncio.run(_seeding(settings_of(DatabaseCommandSettings), options)))
    return 0


async def _seeding(settings: DatabaseCommandSettings, options: argparse.Namespace) -> str:
    asked = options.products is not None or options.stock is not None
    async with database(settings) as container:
        catalogue = container.catalogue()
        if not asked and not await catalogue.is_empty():
            return "The shop has products already: nothing was changed (use --products N to add some)."
        products = demo_products(options.products or PRODUCTS, options.stock or STOCK)
        count = await catalogue.add(products, demo_coupons())
        return f"The shop has {count} products and the coupon WELCOME10."
