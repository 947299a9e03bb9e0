"""Entrance: `offsets show`, `offsets resume` and `offsets seek`: where the group stands in the topic."""

import argparse
import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from kits.kafka.group_admin import GroupPosition
from kits.kafka.records import TopicPartition
from kits.terminal.arguments import Commands, natural, words
from kits.terminal.operator import system_user
from kits.terminal.printing import complain, say, say_json, say_table
from worker.cli.environment import FAILED, USAGE_ERROR, opened, settings_of
from worker.command_containers import OffsetsContainer
from worker.delivery.stuck import Note
from worker.settings import OffsetsSettings

_RESUME = """\
Gives a group that has lost its offsets those that the ledger proves: in each partition without one, the first
offset of which the ledger has no event. Nothing is passed over; what is read again is suppressed."""
_SEEK = """\
Moves the group in one partition. Backwards, events are read again, and those that the ledger knows are
suppressed. Forwards, events are passed over: nobody will ever deliver them, and their orders get a gap."""
_COLUMNS = ("PARTITION", "COMMITTED", "LOG START", "LOG END", "LAG", "LEDGER FIRST")


class Shown(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One partition of `offsets show --json`; null: nothing committed, not known to the ledger."""

    partition: int
    committed: int | None
    log_start: int
    log_end: int
    lag: int | None
    ledger_first: int | None


def add_commands(commands: Commands) -> None:
    """Tell the parser about them."""
    offsets = commands.add_parser("offsets", help="show, resume or move the group's offsets")
    inner = offsets.add_subparsers(metavar="action", title="actions", required=True)
    show = inner.add_parser("show", help="committed, log start and end, lag, and what the ledger knows")
    show.set_defaults(command=_run, work=_show)
    show.add_argument("--json", action="store_true", help="a JSON array on stdout")
    resume = inner.add_parser("resume", help="give lost offsets back", description=_RESUME)
    resume.set_defaults(command=_run, work=_resume, name="offsets_resume")
    resume.add_argument("--from-ledger", action="store_true", required=True, help="the only source there is")
    resume.add_argument("--reason", type=words, metavar="TEXT", help="why; kept in the audit")
    seek = inner.add_parser("seek", help="move the group in one partition", description=_SEEK)
    seek.set_defaults(command=_run, work=_seek, name="offsets_seek")
    seek.add_argument("--partition", type=natural, required=True, metavar="N")
    seek.add_argument("--offset", type=natural, required=True, metavar="M", help="the next one to be read")
    seek.add_argument("--reason", type=words, required=True, metavar="TEXT", help="why; kept in the audit")
    seek.add_argument("--yes", action="store_true", help="do it; without it, tell what would happen")
    for parser in (resume, seek):
        parser.add_argument("--by", type=words, help="who does it (default: the user of the system)")


def _run(options: argparse.Namespace) -> int:
    return asyncio.run(_running(settings_of(OffsetsSettings), options))


async def _running(settings: OffsetsSettings, options: argparse.Namespace) -> int:
    async with opened(OffsetsContainer(settings=settings)) as container:
        positions = await container.group_admin().positions(container.order_events())
        code: int = await options.work(container, positions, options)
        return code


async def _show(
    container: OffsetsContainer, positions: Sequence[GroupPosition], options: argparse.Namespace
) -> int:
    first_offsets = await container.ledger_offsets().first_offsets()
    rows = [
        Shown(
            partition=each.partition.partition,
            committed=each.committed,
            log_start=each.log_start,
            log_end=each.log_end,
            lag=each.lag,
            ledger_first=first_offsets.get(each.partition),
        )
        for each in positions
    ]
    if options.json:
        say_json(rows)
    else:
        cells = [
            _COLUMNS,
            *(tuple("-" if v is None else str(v) for v in msgspec.structs.astuple(r)) for r in rows),
        ]
        say_table(cells, right=True)
    return 0


async def _resume(
    container: OffsetsContainer, positions: Sequence[GroupPosition], options: argparse.Namespace
) -> int:
    first_offsets = await container.ledger_offsets().first_offsets()
    found: dict[TopicPartition, int] = {}
    for each in positions:
        if each.committed is None and each.partition in first_offsets:
            start = max(first_offsets[each.partition], each.log_start)
            offset = await container.ledger_offsets().first_unrecorded(each.partition, start)
            found[each.partition] = min(offset, each.log_end)
    if not found:
        say("No partition has lost its offset: nothing was changed.")
        return 0
    return await _move(container, found, positions, options)


async def _seek(
    container: OffsetsContainer, positions: Sequence[GroupPosition], options: argparse.Namespace
) -> int:
    chosen = next((each for each in positions if each.partition.partition == options.partition), None)
    if chosen is None or not chosen.log_start <= options.offset <= chosen.log_end:
        complain("There is no such offset in the log: see `offsets show`.")
        return USAGE_ERROR
    if not options.yes:
        say(_consequence(chosen, options.offset))
        complain("Nothing was done: it needs --yes.")
        return USAGE_ERROR
    return await _move(container, {chosen.partition: options.offset}, positions, options)


def _consequence(position: GroupPosition, offset: int) -> str:
    if position.committed is None:
        return f"{offset - position.log_start} records before it would not be read."
    distance = offset - position.committed
    if distance > 0:
        return f"{distance} records would be passed over: nobody would ever deliver them."
    return f"{-distance} records would be read again."


async def _move(
    container: OffsetsContainer,
    offsets: Mapping[TopicPartition, int],
    positions: Sequence[GroupPosition],
    options: argparse.Namespace,
) -> int:
    if members := await container.group_admin().members():
        action = "stop the workers first; one that was killed counts for another session timeout (10 to 45 s)"
        complain(f"The group has {members} living members: {action}.")
        return FAILED
    before = {each.partition: each.committed for each in positions}
    told = ", ".join(
        f"partition {at.partition}: {'none' if before[at] is None else before[at]} -> {offset}"
        for at, offset in sorted(offsets.items())
    )
    note = Note(options.by or system_user(), options.name, options.reason or "")
    await container.ledger_offsets().note(note, told)
    await container.group_admin().commit(offsets)
    say(f"The group goes on at {told}.")
    return 0
