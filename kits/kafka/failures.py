"""Kafka kit: what an error of the client means, decided in one place."""

from enum import Enum

from aiokafka import errors as client

from kits.kafka.errors import KafkaConfigurationError, KafkaError, KafkaUnavailableError

UNREACHABLE_CAUSES = (
    "broker down, wrong address, wrong listener, TLS not trusted, or wrong credentials"
    " (the client cannot tell them apart)"
)


class Meaning(Enum):
    """What to do about a failure."""

    OUTAGE = "wait and try again"
    CONFIGURATION = "somebody has to change a setting, a topic or a right"
    REFUSED = "this record will never be taken"
    SUSPECT = "the broker gave a reason that the client does not know"


_REFUSED = (
    client.MessageSizeTooLargeError,
    client.RecordListTooLargeError,
    client.UnsupportedForMessageFormatError,
)
_CONFIGURATION = (
    # The clock of this machine is wrong, or the topic allows too little: it is not the record's fault.
    client.InvalidTimestampError,
    client.TopicAuthorizationFailedError,
    client.GroupAuthorizationFailedError,
    client.ClusterAuthorizationFailedError,
    client.UnknownTopicOrPartitionError,
    client.InvalidTopicError,
    client.InvalidGroupIdError,
    client.InvalidReplicationFactorError,
    client.InvalidPartitionsError,
    client.InvalidConfigurationError,
    client.InvalidSessionTimeoutError,
    client.InconsistentGroupProtocolError,
    client.InvalidRequiredAcksError,
    client.PolicyViolationError,
    client.UnsupportedSaslMechanismError,
    client.SecurityDisabled,
    client.UnsupportedVersionError,
    client.IncompatibleBrokerVersion,
)
_MISSING_RIGHTS = (
    (
        client.TopicAuthorizationFailedError,
        (
            "this user lacks a right on the topic: Write and Describe to send, Read and Describe to consume,"
            " Create, Describe and DescribeConfigs to make and check it"
        ),
    ),
    (client.GroupAuthorizationFailedError, "this user lacks the right Read on the consumer group"),
    (
        client.ClusterAuthorizationFailedError,
        (
            "this user lacks a right on the cluster: IdempotentWrite (or Write on any topic) to send,"
            " DescribeConfigs to read the brokers' settings"
        ),
    ),
)
_SETTING = "check that the topic or group exists and that the KAFKA_* settings suit the brokers"


def meaning_of(error: BaseException) -> Meaning:
    """Judge an error of the client; whatever is not known to be worse is an outage."""
    if isinstance(error, _REFUSED):
        return Meaning.REFUSED
    if isinstance(error, _CONFIGURATION):
        return Meaning.CONFIGURATION
    # Codes newer than the client, INVALID_RECORD (87) among them, arrive as UnknownError.
    return Meaning.SUSPECT if isinstance(error, client.UnknownError) else Meaning.OUTAGE


def translated(error: BaseException, doing: str) -> KafkaError:
    """The kit's error for a client's error, saying what was being done; chain it with `from`."""
    reason = _reason(error)
    if isinstance(error, client.KafkaConnectionError):
        return KafkaUnavailableError(f"{doing}: not reachable: {UNREACHABLE_CAUSES}: {reason}")
    if isinstance(error, TimeoutError):
        return KafkaUnavailableError(f"{doing}: no answer in time: the brokers may be frozen or overloaded")
    if meaning_of(error) is Meaning.CONFIGURATION:
        mend = next((right for kind, right in _MISSING_RIGHTS if isinstance(error, kind)), _SETTING)
        return KafkaConfigurationError(f"{doing}: {reason}: {mend}")
    return KafkaUnavailableError(f"{doing}: {reason}")


def _reason(error: BaseException) -> str:
    name = type(error).__name__
    text = str(error)
    return text if name in text else f"{name}: {text}" if text else name
