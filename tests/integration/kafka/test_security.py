"""On a real broker that checks who comes: what works, and what a reader is told when it does not."""

import asyncio
import gc
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from kits.kafka.admin import TopicAdmin, TopicSpec
from kits.kafka.errors import KafkaConfigurationError, KafkaUnavailableError
from kits.kafka.group_watch import GroupWatch
from kits.kafka.producer_session import ProducerSession
from kits.kafka.security import KafkaSecurity, client_options
from kits.settings import Secret
from tests.certificates import CertificateAuthority
from tests.integration.kafka.clients import producing, record, soon, topic_admin
from tests.integration.kafka.reading import read_until, reading
from tests.secured_kafka import API, NOBODY, WORKER, Kind, Operation, SecuredKafka
from tests.waiting import eventually, patient


@pytest.fixture(autouse=True)
async def connections_end() -> AsyncIterator[None]:
    """A refused TLS connection says goodbye in the background: the loop stays until that is done."""
    yield
    await eventually(lambda: not [one for one in gc.get_objects() if is_open_connection(one)])


def is_open_connection(thing: object) -> bool:
    return isinstance(thing, asyncio.Transport) and getattr(thing, "_sock", None) is not None


@pytest.fixture
async def topic(secured_kafka: SecuredKafka) -> str:
    """A topic of this test alone; nobody has a right to it yet."""
    name = f"secured-{uuid.uuid4().hex[:8]}"
    await topic_admin(secured_kafka.administration).ensure_topics([TopicSpec(name, 1)])
    return name


def sasl_ssl(secured: SecuredKafka, _directory: Path) -> KafkaSecurity:
    return secured.as_user(API)


def client_certificate(secured: SecuredKafka, _directory: Path) -> KafkaSecurity:
    certificate, key = secured.authority.issue(API)
    return KafkaSecurity(
        security_protocol="SSL",
        ssl_ca_file=str(secured.authority.file),
        ssl_cert_file=str(certificate),
        ssl_key_file=str(key),
    )


def sasl_plaintext(secured: SecuredKafka, _directory: Path) -> KafkaSecurity:
    return KafkaSecurity(
        security_protocol="SASL_PLAINTEXT",
        sasl_username=API,
        sasl_password=Secret(secured.passwords[API]),
        allow_plaintext_sasl=True,
    )


@pytest.mark.parametrize("way", [sasl_ssl, client_certificate, sasl_plaintext])
async def test_all_three_clients_work_for_who_is_known_and_has_the_rights(
    secured_kafka: SecuredKafka, tmp_path: Path, way: Callable[[SecuredKafka, Path], KafkaSecurity]
) -> None:
    name = f"own-{uuid.uuid4().hex[:8]}"
    await secured_kafka.allow(API, Kind.TOPIC, "own-", *Operation, prefixed=True)
    await secured_kafka.allow(API, Kind.GROUP, "own-", Operation.READ, prefixed=True)
    security = way(secured_kafka, tmp_path)
    servers = secured_kafka.server.address_of(security.security_protocol)
    assert await topic_admin(servers, security).ensure_topics([TopicSpec(name, 1)]) == []
    assert await topic_admin(servers, security).topic_limit(name) > 0
    async with producing(servers, security=security) as producer:
        await producer.send(record(name, "key", 7), not_after=soon())
    async with reading(servers, name, name, security=security) as reader:
        (found,) = await read_until(lambda found: found, reader)
        assert await reader.commit({found.topic_partition: 1}, within_seconds=patient(30))
        assert (await reader.places([found.topic_partition]))[found.topic_partition].committed == 1
    assert found.value == b"7"


Wrong = Callable[[SecuredKafka, Path], tuple[str, KafkaSecurity]]


def wrong_password(secured: SecuredKafka, _directory: Path) -> tuple[str, KafkaSecurity]:
    return secured.server.address_of("SASL_SSL"), secured.as_user(API, sasl_password="guessed")


def unknown_authority(secured: SecuredKafka, directory: Path) -> tuple[str, KafkaSecurity]:
    other = CertificateAuthority(directory, "another-ca")
    return secured.server.address_of("SASL_SSL"), secured.as_user(API, ssl_ca_file=str(other.file))


def another_host_name(secured: SecuredKafka, _directory: Path) -> tuple[str, KafkaSecurity]:
    port = secured.server.address_of("SASL_SSL").split(":")[1]
    return f"localhost:{port}", secured.as_user(API)


def plain_client(secured: SecuredKafka, _directory: Path) -> tuple[str, KafkaSecurity]:
    return secured.server.address_of("SASL_SSL"), KafkaSecurity()


def plain_client_where_users_are_asked(secured: SecuredKafka, _directory: Path) -> tuple[str, KafkaSecurity]:
    return secured.server.address_of("SASL_PLAINTEXT"), KafkaSecurity()


def other_mechanism(secured: SecuredKafka, _directory: Path) -> tuple[str, KafkaSecurity]:
    return secured.server.address_of("SASL_SSL"), msgspec.structs.replace(
        secured.as_user(API), sasl_mechanism="PLAIN"
    )


def tls_client_at_the_plain_listener(secured: SecuredKafka, _directory: Path) -> tuple[str, KafkaSecurity]:
    return secured.administration, secured.as_user(API)


def no_client_certificate(secured: SecuredKafka, _directory: Path) -> tuple[str, KafkaSecurity]:
    security = KafkaSecurity(security_protocol="SSL", ssl_ca_file=str(secured.authority.file))
    return secured.server.address_of("SSL"), security


def credentials_nobody_asked_for(secured: SecuredKafka, directory: Path) -> tuple[str, KafkaSecurity]:
    return secured.administration, sasl_plaintext(secured, directory)


def dead_broker(_secured: SecuredKafka, _directory: Path) -> tuple[str, KafkaSecurity]:
    return "127.0.0.1:1", KafkaSecurity()


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        (wrong_password, "refused the user name or the password"),
        (unknown_authority, "not trusted .*KAFKA_SSL_CA_FILE"),
        (another_host_name, "not trusted .Hostname mismatch"),
        (plain_client, "expects TLS"),
        (plain_client_where_users_are_asked, "may expect credentials"),
        (other_mechanism, "KAFKA_SASL_MECHANISM"),
        (tls_client_at_the_plain_listener, "or no TLS"),
        (no_client_certificate, "KAFKA_SSL_CERT_FILE"),
        (credentials_nobody_asked_for, "takes no credentials"),
        (dead_broker, "is not listened on"),
    ],
)
async def test_why_no_broker_can_be_used_is_said_in_a_sentence_with_all_that_it_may_be(
    secured_kafka: SecuredKafka, tmp_path: Path, mistake: Wrong, told: str
) -> None:
    servers, security = mistake(secured_kafka, tmp_path)
    with pytest.raises(KafkaUnavailableError, match=told) as raised:
        await topic_admin(servers, security).topic_limit("any")
    for cause in ("broker down", "wrong listener", "TLS not trusted", "wrong credentials", servers):
        assert cause in str(raised.value)
    assert "\n" not in str(raised.value)


async def test_the_other_clients_say_it_too_and_no_password_gets_into_a_log_or_an_error(
    secured_kafka: SecuredKafka,
    topic: str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Who may write to some topic may have a producer's id.
    await secured_kafka.allow(API, Kind.TOPIC, topic, Operation.WRITE)
    caplog.set_level(logging.DEBUG)
    servers = secured_kafka.server.address_of("SASL_SSL")
    security = secured_kafka.as_user(API, sasl_password="guessed-wrongly")
    options = client_options(security) | {"bootstrap_servers": servers, "client_id": "test"}
    with pytest.raises(KafkaUnavailableError, match="KAFKA_SASL_PASSWORD") as by_producer:
        await ProducerSession.open(options | {"enable_idempotence": True}, ["any"])
    with pytest.raises(KafkaUnavailableError, match="KAFKA_SASL_PASSWORD") as by_reader:
        async with reading(servers, "any", "any", security=security):
            pass
    said = ""

    def is_said(word: str) -> bool:
        nonlocal said
        said += str(capsys.readouterr())
        return word in said

    async with producing(servers, security=security):
        await eventually(lambda: is_said("kafka_producer_not_connected"))
    async with producing(servers, security=secured_kafka.as_user(API)):
        await eventually(lambda: is_said("kafka_producer_connected"))
    told = f"{caplog.text}{said}{capsys.readouterr()}{by_producer.value!r}{by_reader.value!r}{security!r}"
    assert "Authenticated as api" in told, "the client's own log is heard too"
    for secret in ("guessed-wrongly", secured_kafka.passwords[API]):
        assert secret not in told


async def test_who_may_write_nothing_gets_no_session_and_is_told_which_right_is_missing(
    secured_kafka: SecuredKafka, topic: str
) -> None:
    servers = secured_kafka.server.address_of("SASL_SSL")
    options = client_options(secured_kafka.as_user(NOBODY)) | {
        "bootstrap_servers": servers, "client_id": "test", "enable_idempotence": True,
    }  # fmt: skip
    with pytest.raises(KafkaConfigurationError, match="IdempotentWrite"):
        await ProducerSession.open(options, [topic])


async def test_a_refused_topic_is_told_with_its_name_and_the_others_go_on_in_order(
    secured_kafka: SecuredKafka, topic: str
) -> None:
    servers = secured_kafka.server.address_of("SASL_SSL")
    readable = f"{topic}-readable"
    await topic_admin(secured_kafka.administration).ensure_topics([TopicSpec(readable, 1)])
    await secured_kafka.allow(API, Kind.TOPIC, topic, Operation.WRITE, Operation.DESCRIBE)
    await secured_kafka.allow(API, Kind.TOPIC, readable, Operation.DESCRIBE)
    async with producing(servers, security=secured_kafka.as_user(API)) as producer:
        await producer.send(record(topic, "key", 0), not_after=soon())
        hidden = producer.send(record(f"{topic}-hidden", "key", 1), not_after=soon())
        refused = producer.send(record(readable, "key", 1), not_after=soon())
        for future, name in ((hidden, f"{topic}-hidden"), (refused, readable)):
            with pytest.raises(KafkaConfigurationError, match=f"{name}.*right"):
                await asyncio.wait_for(future, patient(60))
        sends = [producer.send(record(topic, "key", number), not_after=soon()) for number in range(1, 4)]
        assert [(await sent).offset for sent in sends] == [1, 2, 3]
        # The right comes later: the same producer, the same partition.
        await secured_kafka.allow(API, Kind.TOPIC, readable, Operation.WRITE)

        async def is_taken() -> bool:
            try:
                return (await producer.send(record(readable, "key", 2), not_after=soon())).offset == 0
            except KafkaConfigurationError:
                return False

        await eventually(is_taken)


async def test_a_group_or_a_topic_that_may_not_be_read_is_told_with_its_name(
    secured_kafka: SecuredKafka, topic: str
) -> None:
    servers, security = secured_kafka.server.address_of("SASL_SSL"), secured_kafka.as_user(WORKER)
    with pytest.raises(KafkaConfigurationError, match=topic):
        async with reading(servers, topic, "any", security=security):
            pass
    await secured_kafka.allow(WORKER, Kind.TOPIC, topic, Operation.READ, Operation.DESCRIBE)
    group = f"group-{topic}"
    async with reading(servers, topic, group, security=security) as reader:
        with pytest.raises(KafkaConfigurationError, match=f"{group}.*Read on the consumer group"):
            await read_until(lambda found: found, reader)
    await secured_kafka.allow(WORKER, Kind.GROUP, group, Operation.READ)
    visible = f"{topic}-visible"
    await topic_admin(secured_kafka.administration).ensure_topics([TopicSpec(visible, 1)])
    await secured_kafka.allow(WORKER, Kind.TOPIC, visible, Operation.DESCRIBE)
    async with reading(servers, visible, group, security=security) as reader:
        with pytest.raises(KafkaConfigurationError, match=f"{visible}.*Read and Describe to consume"):
            await read_until(lambda found: found, reader)


async def test_a_watch_that_may_not_see_the_group_or_the_topic_says_so(
    secured_kafka: SecuredKafka, topic: str
) -> None:
    """Nobody would notice otherwise: without a right a group looks like one without offsets."""
    group = f"watched-{topic}"
    watch = GroupWatch(
        bootstrap_servers=secured_kafka.server.address_of("SASL_SSL"),
        security=secured_kafka.as_user(WORKER),
        client_id="test-watch",
        group=group,
        topics=[topic],
        within_seconds=patient(30),
    )
    with pytest.raises(KafkaConfigurationError, match=topic):
        await watch.measure()
    await secured_kafka.allow(WORKER, Kind.TOPIC, topic, Operation.DESCRIBE)
    with pytest.raises(KafkaConfigurationError, match=f"{group}.*consumer group"):
        await watch.measure()
    await secured_kafka.allow(WORKER, Kind.GROUP, group, Operation.DESCRIBE)
    async with producing(secured_kafka.administration) as producer:
        await producer.send(record(topic, "key", 1), not_after=soon())

    async def is_seen() -> bool:
        return (await watch.measure()).lag == 1

    # Who may not read the records may know how many there are.
    await eventually(is_seen)


async def test_topics_that_may_not_be_made_or_seen_are_told(secured_kafka: SecuredKafka, topic: str) -> None:
    admin = TopicAdmin(
        bootstrap_servers=secured_kafka.server.address_of("SASL_SSL"),
        security=secured_kafka.as_user(WORKER),
        client_id="test",
    )
    with pytest.raises(KafkaConfigurationError, match=f"{topic}-new.*Create"):
        await admin.ensure_topics([TopicSpec(f"{topic}-new", 1)])
    with pytest.raises(KafkaConfigurationError, match="DescribeConfigs"):
        await admin.offsets_retention_minutes()
