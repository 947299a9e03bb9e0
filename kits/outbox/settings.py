"""Outbox kit: the settings of every outbox."""

from typing import Annotated

import msgspec


class OutboxSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The way from commit to Kafka: group `OUTBOX_…`."""

    lease_seconds: Annotated[float, msgspec.Meta(ge=5, le=300)] = 10.0
    """For how long an event belongs to the process that recorded or claimed it."""
    retention_days: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 30
    """How long published events are kept."""
