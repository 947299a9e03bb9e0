"""Outbox: what a failed send means for its row."""

from app.outbox.claim import Claim
from app.outbox.store import FailedSend
from kits.kafka.errors import (
    BufferFullError,
    KafkaConfigurationError,
    RecordRefusedError,
    RecordTooLargeError,
)
from kits.observability.logs import get_logger

log = get_logger(__name__)

_CONFIGURATION_WAIT_SECONDS = 5.0
_MAX_ERROR = 1000


def failed_send(claim: Claim, error: BaseException) -> FailedSend:
    """Refused alone: dead. Configuration: again in a while, never dead. Anything else is unknown: again."""
    message = claim.message
    fields = {
        "order_id": message.aggregate_id,
        "event_id": message.event_id,
        "seq": message.seq,
        "reason": str(error),
    }
    text = f"{getattr(error, 'code', type(error).__name__)}: {error}"[:_MAX_ERROR]
    match error:
        case RecordRefusedError() | RecordTooLargeError():
            log.error("event_refused_by_kafka", **fields, action="its order waits; mend the topic")
            return FailedSend(claim, text, dead=True)
        case KafkaConfigurationError():
            log.error("kafka_configuration_wrong", **fields, action="check the topic and the rights on it")
            return FailedSend(claim, text, wait_seconds=_CONFIGURATION_WAIT_SECONDS)
        case BufferFullError():
            return FailedSend(claim, text)
        case _:
            log.warning("event_send_unknown", **fields, action="none: a relay claims and sends it again")
            return FailedSend(claim, text)
