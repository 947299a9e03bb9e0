"""Consumer group: what is asked of those who do something with its records."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from contracts.envelope import UnreadableEventError
from kits.kafka.errors import PartitionError
from kits.kafka.places import Place
from kits.kafka.records import IncomingRecord, TopicPartition
from kits.observability.health import CheckResult, HealthCheck, Status

Records = Mapping[TopicPartition, Sequence[IncomingRecord]]


class HandlerUnavailableError(Exception):
    """The handler cannot work now, and nothing of what it was given is done: the same records, later."""

    code = "handler_unavailable"


class GroupHaltedError(Exception):
    """Going on makes no sense before somebody mends what it says."""


def require_sound(record: IncomingRecord) -> None:
    """Raises: UnreadableEventError: the record has a fault, whose code it has."""
    if record.fault:
        raise UnreadableEventError(record.fault.code, record.fault.reason)


class RecordValues(HealthCheck, Protocol):
    """Turns what travels into what handlers read."""

    async def read(self, batches: Records) -> tuple[Records, Sequence[PartitionError]]:
        """The records with values to be read; and where a partition has to wait, and why."""
        ...

    async def close(self) -> None:
        """Look nothing up any more."""
        ...


class PlainValues:
    """RecordValues as they come: of topics in which nobody writes Avro."""

    name = "schemas"

    async def read(self, batches: Records) -> tuple[Records, Sequence[PartitionError]]:
        """See RecordValues."""
        return batches, []

    async def check(self) -> CheckResult:
        """Always well."""
        return CheckResult(Status.OK)

    async def close(self) -> None:
        """See RecordValues."""


class Handler(Protocol):
    """What a group does with its records.

    Raises:
        HandlerUnavailableError: from both methods.
    """

    @property
    def has_room(self) -> bool:
        """False: reading pauses, polling goes on."""
        ...

    async def begin(self, places: Mapping[TopicPartition, Place]) -> Mapping[TopicPartition, int]:
        """The offset to read next of partitions that were given to this process.

        One that is left out is asked for again every second, and nothing of it is read meanwhile.
        """
        ...

    async def handle(self, records: Records) -> Mapping[TopicPartition, int | None]:
        """Do or store everything, in order per partition; {} about once a second when nothing has come.

        Returns where each of these partitions goes on, and any other whose position somebody has moved; None:
        it is to begin anew.
        """
        ...
