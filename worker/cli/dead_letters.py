"""Entrance: `dlq`, for what is stuck: dead letters, and what is held behind them or behind a gap."""

from kits.terminal.arguments import Commands
from worker.cli import dlq_actions, dlq_views, storms

_FAMILIES = (dlq_views, dlq_actions, storms)


def add_commands(commands: Commands) -> None:
    """Tell the parser about them; each family adds its own."""
    group = commands.add_parser("dlq", help="list, show, redrive, skip, discard what is stuck; end a storm")
    inner = group.add_subparsers(metavar="action", title="actions", required=True)
    for family in _FAMILIES:
        family.add_commands(inner)
