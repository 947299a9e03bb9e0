"""What an error of the client means, and what its reader is told."""

import pytest
from aiokafka import errors as client

from kits.kafka import errors
from kits.kafka.errors import (
    KafkaConfigurationError,
    KafkaError,
    KafkaUnavailableError,
    OffsetOutOfRangeError,
)
from kits.kafka.failures import Meaning, meaning_of, translated
from kits.kafka.records import IncomingRecord, TopicPartition


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (client.MessageSizeTooLargeError(), Meaning.REFUSED),
        (client.TopicAuthorizationFailedError("topic"), Meaning.CONFIGURATION),
        (client.UnknownTopicOrPartitionError(), Meaning.CONFIGURATION),
        (client.InvalidTimestampError(), Meaning.CONFIGURATION),
        (client.OutOfOrderSequenceNumber(), Meaning.OUTAGE),
        (client.KafkaConnectionError("refused"), Meaning.OUTAGE),
        (client.RequestTimedOutError(), Meaning.OUTAGE),
        (client.for_code(87)(), Meaning.SUSPECT),
    ],
)
def test_errors_of_the_client_are_judged(error: Exception, meaning: Meaning) -> None:
    assert meaning_of(error) is meaning


def test_unreachable_brokers_and_wrong_credentials_look_the_same_so_all_causes_are_named() -> None:
    told = translated(client.KafkaConnectionError("Unable to bootstrap"), "connecting")
    assert isinstance(told, KafkaUnavailableError)
    for cause in ("connecting", "broker down", "wrong listener", "TLS", "credentials", "Unable to bootstrap"):
        assert cause in str(told)


def test_a_missing_right_is_a_matter_of_configuration() -> None:
    told = translated(client.GroupAuthorizationFailedError("group"), "consuming")
    assert isinstance(told, KafkaConfigurationError)
    assert "right" in str(told)


@pytest.mark.parametrize(
    ("error", "right"),
    [
        (client.TopicAuthorizationFailedError("orders"), "Write and Describe to send"),
        (client.GroupAuthorizationFailedError("readers"), "Read on the consumer group"),
        (client.ClusterAuthorizationFailedError(), "IdempotentWrite"),
    ],
)
def test_the_right_that_is_missing_is_named(error: Exception, right: str) -> None:
    told = translated(error, "sending")
    assert isinstance(told, KafkaConfigurationError)
    assert right in str(told)
    assert all(str(argument) in str(told) for argument in error.args)


def test_no_answer_in_time_is_told_in_words() -> None:
    told = translated(TimeoutError(), "starting the consumer")
    assert isinstance(told, KafkaUnavailableError)
    assert "no answer in time" in str(told)


def test_every_error_has_a_code_of_its_own() -> None:
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, KafkaError)
    ]
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(codes) >= 10


def test_the_error_of_a_partition_names_it() -> None:
    error = OffsetOutOfRangeError(TopicPartition("topic", 2), 7)
    assert (error.topic_partition, error.offset) == (TopicPartition("topic", 2), 7)
    assert str(error) == "offset 7 is outside the log of partition 2 of topic"


def test_partitions_are_ordered_and_a_record_knows_its_own() -> None:
    record = IncomingRecord("topic", 1, 5, 0, None, None)
    assert record.topic_partition == TopicPartition("topic", 1)
    assert TopicPartition("a", 1) < TopicPartition("b", 0)
