"""Delivery: where a partition begins. Never a silent rewind, never a silent skip."""

from collections.abc import Collection
from dataclasses import dataclass

from kits.kafka.records import TopicPartition
from worker.delivery.ports import Ledger, Observer, Source

OFFSETS_MISSING = "offsets_missing"
_COMMIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Opening:
    """Where to read on, and whether the beginning of the log was gone when the group first saw it."""

    next_offset: int
    baseline: bool


class Openings:
    """Decides where the group stands in each partition that it was given."""

    def __init__(self, *, source: Source, ledger: Ledger, observer: Observer) -> None:
        self._source = source
        self._ledger = ledger
        self._observer = observer

    async def of(
        self, partitions: Collection[TopicPartition], *, epoch: int
    ) -> dict[TopicPartition, Opening | None]:
        """Where each partition begins; None for one that must stand still until an operator decides.

        Without a committed offset a partition that the ledger does not know is new to the group: it begins at
        the log's start, which is committed at once. One that the ledger knows has lost its offset.

        Raises:
            LedgerUnavailableError, KafkaUnavailableError, StaleAssignmentError: nothing was decided.
        """
        committed = await self._source.committed(partitions)
        first_offsets = await self._ledger.first_offsets()
        new = [at for at in partitions if committed[at] is None and at not in first_offsets]
        begun = await self._begin(new, epoch=epoch)
        unknown = {at: offset for at in partitions if at not in first_offsets
                   and (offset := committed[at]) is not None}  # fmt: skip
        if begun or unknown:
            await self._ledger.add_partitions(unknown | begun)
        first_offsets = first_offsets | unknown | begun
        found: dict[TopicPartition, Opening | None] = {}
        for at in partitions:
            offset = begun.get(at, committed[at])
            found[at] = None if offset is None else Opening(offset, baseline=first_offsets[at] > 0)
            if offset is None:
                self._observer.partition_stopped(at, OFFSETS_MISSING)
            else:
                self._observer.partition_opened(at, offset, is_new=at in begun)
        return found

    async def _begin(self, new: Collection[TopicPartition], *, epoch: int) -> dict[TopicPartition, int]:
        # Committed before the ledger knows: a crash between leaves an offset, of which the row is made later.
        if not new:
            return {}
        starts = await self._source.log_start(new)
        await self._source.commit(starts, epoch=epoch, within_seconds=_COMMIT_SECONDS)
        return starts
