"""Entrance: which stuck events an operator means: the options that all `dlq` actions share."""

import argparse

from kits.terminal.arguments import duration, positive
from worker.delivery.stuck import Wanted


def add_filters(parser: argparse.ArgumentParser, *, counted: str) -> None:
    """The filters; an event must fit all that are given. `counted` is what --limit counts."""
    fitting = parser.add_argument_group("which (all that are given must fit; without any: everything)")
    fitting.add_argument("--order", metavar="ID", help="of this order")
    fitting.add_argument("--event", metavar="ID", help="this event")
    fitting.add_argument("--error-class", metavar="CLASS", help="rejected, unreadable, blocked, gap …")
    fitting.add_argument("--type", metavar="TYPE", help="of this type, as in order.paid")
    fitting.add_argument(
        "--older-than", metavar="AGE", type=duration, help="in trouble for longer than 90s, 15m, 2h, 7d"
    )
    fitting.add_argument("--limit", metavar="N", type=positive, help=f"at most N {counted}")


def wanted(options: argparse.Namespace) -> Wanted:
    """What was asked for."""
    return Wanted(
        order_id=options.order,
        event_id=options.event,
        error_class=options.error_class,
        event_type=options.type,
        older_than=options.older_than,
        limit=options.limit,
    )
