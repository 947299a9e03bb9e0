"""Entrance: `builds`, `rebuild` and `verify`: what there is, making it anew, and whether it is right."""

import argparse
import asyncio
from datetime import UTC, datetime, timedelta

import msgspec

from contracts.sales import whole_minute
from kits.process.signals import stop_on_signals
from kits.settings import SettingsError
from kits.terminal.arguments import Commands, moment
from kits.terminal.printing import say, say_table
from services.sales.builds import BuildName
from services.sales.cli.environment import FAILED, database, in_use, settings_of
from services.sales.container import RebuildContainer, VerifyContainer
from services.sales.settings import RebuildSettings, TableSettings
from services.sales.table.verification import Difference, Verified

_REBUILD = """\
Streams the orders from the start of their topic into topics and rows of their own, beside the build in force;
when all that the topic held is there, everybody is shown the new build, in one transaction. Minutes of which
the topic has forgotten the orders are taken over from the former build. Cut off, it changes nothing, and the
same command goes on. Then run the streaming processes with SALES_STREAM_BUILD=<name>; --remove the former."""
_VERIFY = """\
Compares the table with the orders in the shop's database, minute by minute: exit code 0 if they are equal, 1
with the minutes that differ. Orders need a moment to get there: the last minute is left out by default."""
_SHOWN = 20


def _name(text: str) -> str:
    try:
        return msgspec.convert(text, BuildName)
    except msgspec.ValidationError:
        raise argparse.ArgumentTypeError("must be 1 to 20 of a-z, 0-9 and -") from None


def add_commands(commands: Commands) -> None:
    """Tell the parser about them."""
    commands.add_parser("builds", help="the builds there are").set_defaults(command=_builds)
    rebuild = commands.add_parser("rebuild", help="make the sales anew, and switch", description=_REBUILD)
    what = rebuild.add_mutually_exclusive_group(required=True)
    what.add_argument("--as", dest="name", metavar="NAME", type=_name, help="the new build's name, as v2")
    what.add_argument("--remove", metavar="NAME", type=_name, help="delete a build that is not in force")
    rebuild.set_defaults(command=_rebuild)
    verify = commands.add_parser("verify", help="compare with the orders", description=_VERIFY)
    verify.add_argument(
        "--from", dest="since", metavar="TIME", type=moment, help="default: a day before --to"
    )
    verify.add_argument("--to", dest="until", metavar="TIME", type=moment, help="default: a minute ago")
    verify.add_argument("--build", metavar="NAME", type=_name, help="default: the one in force")
    verify.set_defaults(command=_verify)


def _builds(_options: argparse.Namespace) -> int:
    say_table(asyncio.run(_states()).items())
    return 0


async def _states() -> dict[str, str]:
    async with database() as container:
        return {"BUILD": "STATE", **await container.builds().states()}


def _rebuild(options: argparse.Namespace) -> int:
    settings = settings_of(RebuildSettings)
    if options.remove:
        return asyncio.run(_removing(settings, options.remove))
    return asyncio.run(_rebuilding(settings, options.name))


async def _rebuilding(settings: RebuildSettings, name: str) -> int:
    with stop_on_signals() as signals:
        async with in_use(RebuildContainer(settings=settings, name=name)) as container:
            rebuilt = await container.rebuild().run(signals.asked)
    if rebuilt is None:
        say(f"The build {name} is not complete, and nothing else is shown. The same command goes on.")
        return FAILED
    say(
        f"The build {name} is in force; {rebuilt.carried_over} rows came from the former one.",
        f"Run the streaming processes with SALES_STREAM_BUILD={name} now; then remove the former build.",
    )
    return 0


async def _removing(settings: RebuildSettings, name: str) -> int:
    async with in_use(RebuildContainer(settings=settings, name=name)) as container:
        await container.removal().run()
    say(f"The build {name} is removed: its rows and its topics.")
    return 0


def _verify(options: argparse.Namespace) -> int:
    settings = settings_of(TableSettings)
    if not settings.orders_url:
        raise SettingsError(
            ["SALES_ORDERS_DATABASE_URL is missing: set it in the environment (see .env.example)."]
        )
    until = whole_minute(options.until or datetime.now(UTC) - timedelta(minutes=1))
    since = whole_minute(options.since or until - timedelta(days=1))
    verified = asyncio.run(_verifying(settings, since, until, options.build))
    say(*(_line(each) for each in verified.differences[:_SHOWN]), _sum(verified, since, until))
    return FAILED if verified.differences else 0


async def _verifying(
    settings: TableSettings, since: datetime, until: datetime, build: str | None
) -> Verified:
    async with in_use(VerifyContainer(settings=settings)) as container:
        try:
            return await container.verification().run(since, until, build=build)
        finally:
            await container.shop_engine().dispose()


def _line(found: Difference) -> str:
    table, orders = (f"{each[0]} orders, {each[1]} pieces, {each[2]}" for each in (found.table, found.orders))
    minute = f"{found.minute.astimezone(UTC):%Y-%m-%dT%H:%MZ} {found.currency}"
    return f"{minute}: the table has {table}; the orders are {orders}"


def _sum(verified: Verified, since: datetime, until: datetime) -> str:
    span = f"{since.isoformat()} to {until.isoformat()}"
    if verified.differences:
        return f"{len(verified.differences)} minutes differ, from {span}."
    return f"Equal: {verified.orders} orders in {verified.minutes} minutes, from {span}."
