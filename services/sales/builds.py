"""Builds: the sales may be made anew beside the ones in force; each build has a name and its own topics."""

from typing import Annotated, NamedTuple

import msgspec

from contracts.sales import (
    ANALYTICS_GROUP,
    LARGER_RECORDS,
    ORDER_SALES_DLQ,
    ORDER_SALES_PER_MINUTE,
    ORDERS_LARGE,
    SALES_TOPIC_CONFIG,
)
from contracts.topics import ORDER_EVENTS, ORDER_EVENTS_PARTITIONS, TOPIC_CONFIG
from kits.kafka.admin import TopicSpec
from kits.patterns import whole

CLIENT_ID = "order-sales"
FIRST = "v1"
"""The build whose group and topics have no suffix."""

BuildName = Annotated[
    str,
    msgspec.Meta(pattern=whole("[a-z0-9][a-z0-9-]{0,19}"), description="1 to 20 of a-z, 0-9 and `-`"),
]


class Build(NamedTuple):
    """One making of the sales: its group, what it reads, and where it writes."""

    name: str = FIRST
    source: str = ORDER_EVENTS

    @property
    def dead_letters(self) -> str:
        """Where records go of which nothing can be made; all builds share it, a header names the group."""
        return self._after_source(ORDER_SALES_DLQ)

    @property
    def group(self) -> str:
        """Its consumer group, and the beginning of its transactional ids."""
        return self._named(ANALYTICS_GROUP)

    @property
    def sales(self) -> str:
        """Where its totals go."""
        return self._named(ORDER_SALES_PER_MINUTE)

    @property
    def large(self) -> str:
        """Where its large orders go."""
        return self._named(ORDERS_LARGE)

    @property
    def by_minute(self) -> str:
        """The engine's topic between the orders and the minutes, where one minute is one partition's."""
        return f"repartition__{self.group}--{self.source}--minute"

    @property
    def own_topics(self) -> list[str]:
        """All that are this build's alone: outputs, what lies between, and the changelogs of its state."""
        between = f"repartition.{self.source}.minute"
        return [
            self.sales,
            self.large,
            self.by_minute,
            f"changelog__{self.group}--{self.source}--default",
            f"changelog__{self.group}--{between}--default",
        ]

    def topic_specs(self) -> list[TopicSpec]:
        """The topics that must be there before the stream starts; the engine makes those of its state."""
        source, partitions = self.source, ORDER_EVENTS_PARTITIONS
        return [
            TopicSpec(source, partitions, config=TOPIC_CONFIG),
            TopicSpec(self.sales, partitions, like=source, config=SALES_TOPIC_CONFIG),
            TopicSpec(self.large, partitions, like=source, config=LARGER_RECORDS),
            TopicSpec(self.dead_letters, partitions, like=source, config=LARGER_RECORDS),
        ]

    def _named(self, name: str) -> str:
        own = self._after_source(name)
        return own if self.name == FIRST else f"{own}.{self.name}"

    def _after_source(self, name: str) -> str:
        return name if self.source == ORDER_EVENTS else f"{self.source}.{name}"
