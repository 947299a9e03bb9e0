"""Contract: the topics, their keys and who reads them."""

from collections.abc import Mapping

ORDER_EVENTS = "order-events"
"""Every event of every order; key = order id as text, so one order stays in one partition, in order."""

ORDER_EVENTS_PARTITIONS = 3

DATA_PLATFORM_GROUP = "data-platform"
"""The consumer group that forwards to the data platform."""

DATA_PLATFORM_DLQ = "order-events.data-platform.dlq"
"""Dead letters of that group: same key, bytes and headers, plus `dlq_*` headers."""

ITEM_MEMBERS_GROUP = "item-members"
"""The consumer group that keeps the shop's copy of the members' names."""

RETENTION_MS = 30 * 24 * 60 * 60 * 1000
"""30 days: the time within which an outage must be mended."""

TOPIC_CONFIG: Mapping[str, str] = {
    "retention.ms": str(RETENTION_MS),
    "cleanup.policy": "delete",
    # With the writers' time a broker refuses the records of a machine whose clock is an hour fast.
    "message.timestamp.type": "LogAppendTime",
}
"""How the topics are created."""
