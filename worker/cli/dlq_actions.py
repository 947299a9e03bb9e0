"""Entrance: `dlq redrive`, `dlq skip` and `dlq discard`: what an operator does about what is stuck."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

import msgspec

from kits.process.signals import stop_on_signals
from kits.terminal.arguments import Commands, positive, rate, words
from kits.terminal.operator import system_user
from kits.terminal.printing import complain, say, say_json
from kits.terminal.progress import Progress
from worker.cli.dlq_filters import add_filters, wanted
from worker.cli.environment import FAILED, USAGE_ERROR, delivery, settings_of
from worker.command_containers import ActionContainer
from worker.delivery.case_work import CaseWork, Result
from worker.delivery.operator_actions import Action, Discard, Redriving, Skip
from worker.delivery.stuck import Case, Note
from worker.settings import WorkerSettings

_REDRIVE = """\
Sends dead events again, and then what is held behind them, order by order in the order of their numbers. Each
result is written before the next event is sent, so it may be interrupted and repeated at any moment, and run
beside the worker. An event that is refused again stays dead. While the data platform is away it stops and
changes nothing."""
_SKIP = """\
Gives up the dead event at the front of an order, or, where events are held behind a gap, the numbers that are
missing; then sends what is held. The data platform is told of each number by order.event_skipped."""
_DISCARD = """\
Gives up everything that is dead or held in an order, for good; later events of the order go. The data
platform is told of each number by order.event_skipped."""


class Told(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One case of the result with --json; `left` is empty when nothing of it is left."""

    order_id: str | None
    event_id: str | None
    left: str


class Planned(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One case of a dry run with --json."""

    order_id: str | None
    event_id: str | None
    plan: str


def add_commands(commands: Commands) -> None:
    """Tell the parser about them."""
    redrive = _action(commands, "redrive", "send it again", _REDRIVE)
    redrive.set_defaults(action=lambda _options: Redriving())
    redrive.add_argument("--reason", type=words, metavar="TEXT", help="why; kept in the audit")
    skip = _action(commands, "skip", "give up one event, or the missing numbers of a gap", _SKIP)
    skip.set_defaults(action=lambda options: Skip(options.event, options.seq))
    skip.add_argument("--seq", type=positive, metavar="N", help="its number, where it could not be read")
    discard = _action(commands, "discard", "give up everything that is stuck of an order", _DISCARD)
    discard.set_defaults(action=lambda _options: Discard())
    for parser in (skip, discard):
        parser.add_argument(
            "--reason", type=words, required=True, metavar="TEXT", help="why; kept in the audit, and told"
        )


def _action(commands: Commands, name: str, short: str, description: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name, help=short, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(command=_act, name=name)
    add_filters(parser, counted="orders")
    parser.add_argument("--rate", type=rate, metavar="N", help="at most N events per second (0.1 or more)")
    parser.add_argument("--dry-run", action="store_true", help="tell what would happen, change nothing")
    parser.add_argument("--yes", action="store_true", help="needed for more than one order")
    parser.add_argument("--json", action="store_true", help="a JSON array on stdout")
    parser.add_argument("--by", type=words, help="who does it (default: the user of the system)")
    return parser


def _act(options: argparse.Namespace) -> int:
    return asyncio.run(_acting(settings_of(WorkerSettings), options))


async def _acting(settings: WorkerSettings, options: argparse.Namespace) -> int:
    action: Action = options.action(options)
    async with delivery(settings) as container:
        cases = await container.stuck_orders().cases(wanted(options))
        if len(cases) > 1 and getattr(options, "seq", None) is not None:
            complain("--seq names the number of one event: choose it with --event or --order.")
            return USAGE_ERROR
        if options.dry_run or (len(cases) > 1 and not options.yes):
            await _preview(container, action, cases, as_json=options.json)
            if options.dry_run:
                return 0
            complain(f"Nothing was done: {len(cases)} orders need --yes.")
            return USAGE_ERROR
        return await _work(container, action, cases, options)


async def _preview(
    container: ActionContainer, action: Action, cases: Sequence[Case], *, as_json: bool
) -> None:
    stuck = container.stuck_orders()
    plans = [(case, action.preview(await stuck.standing(case))) for case in cases]
    if as_json:
        told = [Planned(order_id=c.order_id, event_id=c.event_id, plan=plan) for c, plan in plans]
        say_json(told)
        return
    for case, plan in plans:
        say(f"{case}: {plan}")
    if not plans:
        say("Nothing is stuck.")


class _Watch:
    """Counts what is done, for the progress on stderr and for the last sentence."""

    def __init__(self, orders: int) -> None:
        self._progress = Progress(orders, "orders", stream=sys.stderr)
        self._ended = 0
        self.delivered = 0

    def on_delivered(self) -> None:
        self.delivered += 1
        self._progress.show(self._ended, self._more)

    def on_result(self, _result: Result) -> None:
        self._ended += 1
        self._progress.show(self._ended, self._more)

    def end(self) -> None:
        self._progress.end(self._ended, self._more)

    @property
    def _more(self) -> str:
        return f"{self.delivered} events delivered"


async def _work(
    container: ActionContainer, action: Action, cases: Sequence[Case], options: argparse.Namespace
) -> int:
    note = Note(options.by or system_user(), options.name, options.reason or "")
    watch = _Watch(len(cases))
    with stop_on_signals() as stop:
        tools = container.operator_tools(
            stop=stop.asked, per_second=options.rate, on_delivered=watch.on_delivered
        )
        work = CaseWork(container.stuck_orders(), stop=stop.asked, on_result=watch.on_result)
        results = await work.run(cases, action.bound(tools, note), note if action.noted_at_start else None)
    watch.end()
    _tell(results, watch.delivered, as_json=options.json)
    return FAILED if any(result.left for result in results) else 0


def _tell(results: Sequence[Result], delivered: int, *, as_json: bool) -> None:
    if as_json:
        told = [Told(order_id=r.case.order_id, event_id=r.case.event_id, left=r.left) for r in results]
        say_json(told)
        return
    for result in results:
        if result.left:
            say(f"{result.case}: left: {result.left}")
    if not results:
        say("Nothing is stuck.")
        return
    left = sum(1 for result in results if result.left)
    say(f"{len(results) - left} of {len(results)} orders done, {delivered} events delivered, {left} left.")
