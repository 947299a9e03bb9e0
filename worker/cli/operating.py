"""Entrance: what operators do and look at: `dlq`, `replay`, `offsets`, `audit`, `status`."""

from kits.terminal.arguments import Commands
from worker.cli import group_offsets, overview, replaying, stuck_actions, stuck_views

COMMANDS = ("dlq", "replay", "offsets", "audit", "status")


def add_commands(commands: Commands) -> None:
    """Tell the parser about them; each family adds its own."""
    dlq = commands.add_parser(
        "dlq", help="list, show, redrive, skip, discard what is stuck; release the limit"
    )
    inner = dlq.add_subparsers(metavar="action", title="actions", required=True)
    for family in (stuck_views, stuck_actions):
        family.add_commands(inner)
    for family in (replaying, group_offsets, overview):
        family.add_commands(commands)
