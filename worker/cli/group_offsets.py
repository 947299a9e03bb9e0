"""Entrance: `offsets show` and `offsets seek`: where the group goes on reading."""

import argparse
import asyncio
from collections.abc import Mapping

import msgspec

from kits.kafka.group_standing import GroupStanding, PartitionStanding
from kits.terminal.arguments import Commands, natural
from kits.terminal.printing import complain, say, say_json, say_table
from worker.cli.environment import FAILED, USAGE_ERROR, settings_of
from worker.cli.inbox_access import add_operator, note_of, positions
from worker.command_container import PositionCommands
from worker.inbox.operators.seeking import Reading, readings, seek
from worker.settings import OffsetsSettings

_SEEK = """\
Moves the group in one partition; running workers follow by themselves. Backwards, events are read again, and
those that the inbox knows are dropped. Forwards, events are passed over, and their orders get a gap: the
command that brings them is printed."""
_COLUMNS = ("PARTITION", "NEXT", "COMMITTED", "LOG START", "LOG END", "LAG", "FIRST")


class Shown(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One partition of `offsets show --json`; null: the inbox has not seen it, nothing is committed."""

    partition: int
    next_offset: int | None
    committed: int | None
    log_start: int
    log_end: int
    lag: int
    first_offset: int | None


def add_commands(commands: Commands) -> None:
    """Tell the parser about them."""
    offsets = commands.add_parser("offsets", help="show or move where the group goes on reading")
    inner = offsets.add_subparsers(metavar="action", title="actions", required=True)
    show = inner.add_parser("show", help="where it goes on, what Kafka knows of it, log start and end, lag")
    show.set_defaults(command=_show)
    show.add_argument("--json", action="store_true", help="a JSON array on stdout")
    move = inner.add_parser("seek", help="move the group in one partition", description=_SEEK)
    move.set_defaults(command=_seek)
    move.add_argument("--partition", type=natural, required=True, metavar="N")
    move.add_argument("--offset", type=natural, required=True, metavar="M", help="the next one to be read")
    move.add_argument("--yes", action="store_true", help="do it; without it, say what would happen")
    add_operator(move)


def _show(options: argparse.Namespace) -> int:
    return asyncio.run(_showing(options))


async def _showing(options: argparse.Namespace) -> int:
    async with positions(settings_of(OffsetsSettings)) as container:
        seen, standing = await _look(container)
    shown = [_shown(each, seen) for each in standing.partitions]
    if options.json:
        say_json(shown)
    else:
        cells = [["-" if v is None else str(v) for v in msgspec.structs.astuple(each)] for each in shown]
        say_table([_COLUMNS, *cells], right=True)
    if standing.unmeasured:
        numbers = ", ".join(str(at.partition) for at in sorted(standing.unmeasured))
        complain(f"No answer about partition {numbers}: look at its leader.")
        return FAILED
    return 0


def _shown(standing: PartitionStanding, seen: Mapping[int, Reading]) -> Shown:
    reading = seen.get(standing.partition.partition)
    return Shown(
        partition=standing.partition.partition,
        next_offset=reading.next_offset if reading else None,
        committed=standing.committed,
        log_start=standing.log_start,
        log_end=standing.log_end,
        lag=standing.lag,
        first_offset=reading.first_offset if reading else None,
    )


def _seek(options: argparse.Namespace) -> int:
    return asyncio.run(_seeking(options))


async def _seeking(options: argparse.Namespace) -> int:
    async with positions(settings_of(OffsetsSettings)) as container:
        seen, standing = await _look(container)
        log = {each.partition.partition: each for each in standing.partitions}.get(options.partition)
        reading = seen.get(options.partition)
        if log is None or reading is None or not log.log_start <= options.offset <= log.log_end:
            complain("There is no such place, or the group has not begun to read there: see `offsets show`.")
            return USAGE_ERROR
        say(*_consequence(reading, log, options.offset))
        if not options.yes:
            complain("Nothing was done: it needs --yes.")
            return USAGE_ERROR
        note = note_of(options, "offsets_seek", container)
        if not await seek(container.engine(), container.order_events(), reading, options.offset, note):
            complain("The group has moved meanwhile, and nothing was changed: try again.")
            return FAILED
    say(f"Partition {options.partition} goes on at {options.offset}.")
    return 0


async def _look(container: PositionCommands) -> tuple[Mapping[int, Reading], GroupStanding]:
    where = container.engine(), container.group(), container.order_events()
    return {each.partition: each for each in await readings(*where)}, await container.watch().measure()


def _consequence(reading: Reading, log: PartitionStanding, offset: int) -> list[str]:
    number, begin = reading.partition, reading.next_offset
    if offset <= begin:
        return [f"Offsets {offset} to {begin - 1} are read again." if offset < begin else "Nothing changes."]
    republish = f"python -m app outbox republish --partition {number} --from {begin} --to {offset - 1}"
    said = [
        f"Passed over: offsets {begin} to {offset - 1} of partition {number}.",
        f"Nobody delivers them, unless they are brought again: `{republish} --reason TEXT`.",
    ]
    deleted = min(log.log_start, offset) - begin
    return [*said, f"Of these, {deleted} were deleted from the topic already."] if deleted > 0 else said
