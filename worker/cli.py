"""Entrance: the worker's commands. Results go to stdout, logs to stderr."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence

import uvloop

from contracts.topics import DATA_PLATFORM_GROUP
from kits.observability.logs import configure_logging
from kits.settings import SettingsError, read_settings
from worker.container import Container, LedgerContainer
from worker.dlq_storm import add_commands
from worker.settings import LedgerSettings, WorkerSettings

FAILED = 1
USAGE_ERROR = 2
QUIET = ("aiokafka",)
GROUPS = (DATA_PLATFORM_GROUP,)

_HELP = f"""\
Without a command it consumes, by default the group {DATA_PLATFORM_GROUP!r}, until SIGTERM or SIGINT.

commands:
  migrate     bring the schema `delivery` to this build's revision
  dlq storm release --reason TEXT
              let the group go on after the storm guard has stopped it

Settings come from the environment, see .env.example.
Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 the data platform refuses every call."""


def consume(groups: Sequence[str]) -> int:
    """Run the consumers of these groups until a signal."""
    unknown = sorted(set(groups) - set(GROUPS))
    if unknown:
        print(f"Unknown: {', '.join(unknown)}. Groups: {', '.join(GROUPS)}. Commands: {', '.join(COMMANDS)}.",
              file=sys.stderr)  # fmt: skip
        return USAGE_ERROR
    settings = read_settings(WorkerSettings, os.environ)
    configure_logging(process="worker", settings=settings.log, quiet=QUIET)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_consume(Container(settings=settings)))


async def _consume(container: Container) -> int:
    return await container.runner().run()


def migrate(arguments: Sequence[str]) -> int:
    """Bring the schema `delivery` to this build's head; prints the revision."""
    if arguments:
        print("migrate takes no arguments.", file=sys.stderr)
        return USAGE_ERROR
    settings = read_settings(LedgerSettings, os.environ)
    configure_logging(process="worker", settings=settings.log, quiet=QUIET)
    print(asyncio.run(_migrate(LedgerContainer(settings=settings))))
    return 0


async def _migrate(container: LedgerContainer) -> str:
    engine = container.engine()
    try:
        return await container.history().migrate(engine)
    finally:
        await engine.dispose()


def dead_letters(arguments: Sequence[str]) -> int:
    """`dlq …`: what people do about dead letters."""
    parser = argparse.ArgumentParser(prog="python -m worker dlq")
    add_commands(parser.add_subparsers(metavar="storm", required=True))
    options = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    return command(options)


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {"migrate": migrate, "dlq": dead_letters}


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage or settings."""
    try:
        if arguments and arguments[0] in COMMANDS:
            return COMMANDS[arguments[0]](arguments[1:])
        return consume(_parser().parse_args(arguments).words)
    except SettingsError as error:
        print(f"The settings are not valid:\n{error}", file=sys.stderr)
        return USAGE_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m worker",
        usage="python -m worker [group ...] | migrate | dlq storm release",
        description="Forwards order events from Kafka to the data platform.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", metavar="group", help=f"consumer groups: {', '.join(GROUPS)}")
    return parser
