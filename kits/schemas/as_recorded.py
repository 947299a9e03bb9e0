"""Schemas kit: events travel as the outbox holds them."""

from kits.kafka.records import OutgoingRecord
from kits.observability.health import CheckResult, Status


class AsRecorded:
    """Byte for byte what the outbox holds."""

    name = "event_format"

    def encoded(self, record: OutgoingRecord) -> OutgoingRecord:
        """The same."""
        return record

    async def run(self) -> None:
        """Nothing."""

    async def check(self) -> CheckResult:
        """Always well."""
        return CheckResult(Status.OK)
