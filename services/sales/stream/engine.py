"""Stream: the engine's process, `python -m services.sales.stream.engine`: Quix Streams around the topology.

It lives as long as its stdin is open, and tells on stdout, line by line, how far it has come. Killed, it
loses nothing: the results of a record, its state and its offset are one Kafka transaction.
"""

import os
import sys
import threading
import uuid
from logging import Logger
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from quixstreams import Application, message_context
from quixstreams.kafka import ConnectionConfig

from contracts.avro_schemas import subjects
from kits.env_file import with_env_file
from kits.kafka.security import KafkaSettings
from kits.observability.logs import configure_logging, get_logger
from kits.observability.repeats import Repeats
from kits.schemas.registry import registry_of
from kits.settings import read_settings
from services.sales.builds import CLIENT_ID, Build
from services.sales.stream.formats import EventFormats
from services.sales.stream.reading import OrderReading, Unreadable, dead_letter_headers, without_headers
from services.sales.stream.reports import EngineReport, encode_report
from services.sales.stream.settings import StreamSettings
from services.sales.stream.topology import Large, topology

log = get_logger(__name__)

_REPORT_SECONDS = 0.5
_TRANSACTION_MS = 10_000
_REQUEST_BYTES = 4 * 1_048_576
_CONSUMER = {
    "session.timeout.ms": 6_000,
    "heartbeat.interval.ms": 1_500,
    "max.poll.interval.ms": 60_000,
    # A damaged batch must not become a sum.
    "check.crcs": True,
}
_JSON = [("content-type", b"application/json")]
_ORPHANED = 3


class Engine:
    """One application of the engine, built but not run."""

    def __init__(self, settings: StreamSettings, build: Build, state_dir: Path) -> None:
        """Raises: quixstreams and confluent_kafka errors while Kafka is away or a right is missing."""
        self.report = EngineReport()
        self._build = build
        self._repeats = Repeats(every_seconds=60.0)
        self._application = Application(
            broker_address=connection_of(settings.kafka),
            consumer_group=build.group,
            auto_offset_reset="earliest",
            commit_interval=settings.sales_stream.commit_seconds,
            consumer_extra_config={**_CONSUMER, **_slot(settings.sales_stream.instance_id)},
            producer_extra_config={
                "transactional.id": f"{build.group}-{settings.sales_stream.instance_id or uuid.uuid4()}",
                # A killed process leaves a transaction open: until its end nobody reads beyond it.
                "transaction.timeout.ms": _TRANSACTION_MS,
                "message.max.bytes": _REQUEST_BYTES,
                "compression.type": "lz4",
            },
            state_dir=state_dir,
            on_consumer_error=self._on_consumer_error,
            on_message_processed=self._on_processed,
            consumer_poll_timeout=0.2,
            loglevel=None,
            processing_guarantee="exactly-once",
            # The process is started anew when its clients give up; until then they wait.
            broker_availability_timeout=0,
        )
        formats = EventFormats(registry_of(settings.schema_registry), subjects())
        self._connect(OrderReading(formats), Large(settings.sales_stream.large_above))

    def run(self) -> None:
        """Stream until SIGTERM; what is under way is committed first."""
        self._application.run()

    def _connect(self, reading: OrderReading, large: Large) -> None:
        records = self._application.dataframe(self._topic(self._build.source))
        flow: Any = topology(records, reading, large)
        flow.large.set_headers(_json_headers).to_topic(self._topic(self._build.large))
        flow.sales.set_headers(_json_headers).to_topic(self._topic(self._build.sales, key="str"))
        letters = flow.unreadable.update(self._count).set_headers(self._letter_headers)
        letters.apply(_bytes_of).to_topic(self._topic(self._build.dead_letters))

    def _topic(self, name: str, *, key: str = "bytes") -> Any:
        return self._application.topic(
            name,
            key_serializer=key,
            key_deserializer=key,
            value_serializer="bytes",
            value_deserializer="bytes",
        )

    def _on_processed(self, _topic: str, _partition: int, _offset: int) -> None:
        self.report.records += 1

    def _count(self, found: Unreadable) -> None:
        at = message_context()
        self._tell_of(found, at.topic, at.partition, at.offset)

    def _tell_of(self, found: Unreadable, topic: str, partition: int, offset: int) -> None:
        letters = self.report.dead_letters
        letters[found.code] = letters.get(found.code, 0) + 1
        if count := self._repeats.due(found.code):
            log.warning(
                "record_unreadable", code=found.code, reason=found.reason, topic=topic,
                partition=partition, offset=offset, count=count,
                action=f"look at it in {self._build.dead_letters}, and who writes to the topic",
            )  # fmt: skip

    def _letter_headers(self, found: Unreadable, _key: Any, _timestamp: int, headers: Any) -> Any:
        at = message_context()
        return dead_letter_headers(
            found,
            headers,
            group=self._build.group,
            topic=at.topic,
            partition=at.partition,
            offset=at.offset,
        )

    def _on_consumer_error(self, error: Exception, message: Any, _logger: Logger) -> bool:
        if message is None or message.error():
            log.warning("stream_not_read", error=str(error), action="none if Kafka comes back")
            return False
        if message.topic() == self._build.source:
            self._bury(message, error)
            return True
        self.report.left_out += 1
        if count := self._repeats.due("left_out"):
            log.warning(
                "record_left_out", reason=str(error), topic=message.topic(), partition=message.partition(),
                offset=message.offset(), count=count, action="look at who writes to the topic",
            )  # fmt: skip
        return True

    def _bury(self, message: Any, error: Exception) -> None:
        """A record that cannot even be unpacked, in the transaction of the others around it."""
        place = {"topic": message.topic(), "partition": message.partition(), "offset": message.offset()}
        found = without_headers(message.value(), str(error.__cause__ or error))
        self._tell_of(found, **place)
        # The topology gets nothing of it, and the engine has no public way to its transaction.
        self._application._producer.produce(  # noqa: SLF001
            topic=self._build.dead_letters,
            key=message.key(),
            value=found.value,
            headers=dead_letter_headers(found, None, group=self._build.group, **place),
        )
        self._application._processing_context.store_offset(**place)  # noqa: SLF001


def connection_of(kafka: KafkaSettings) -> ConnectionConfig:
    """How the engine's clients reach the brokers: as all clients of this house do."""
    return ConnectionConfig(
        bootstrap_servers=kafka.bootstrap_servers,
        client_id=CLIENT_ID,
        security_protocol=kafka.security_protocol.lower(),
        **_sasl(kafka),
        **_tls(kafka),
    )


def _sasl(kafka: KafkaSettings) -> dict[str, str]:
    if not kafka.uses_sasl:
        return {}
    return {
        "sasl_mechanism": kafka.sasl_mechanism,
        "sasl_username": kafka.sasl_username,
        "sasl_password": str.__str__(kafka.sasl_password),
    }


def _tls(kafka: KafkaSettings) -> dict[str, str]:
    files = {
        "ssl_ca_location": kafka.ssl_ca_file,
        "ssl_certificate_location": kafka.ssl_cert_file,
        "ssl_key_location": kafka.ssl_key_file,
    }
    return {name: path for name, path in files.items() if path and kafka.uses_tls}


def _slot(instance_id: str) -> dict[str, str]:
    """A static member of the group (KIP-345): its successor gets its partitions at once."""
    return {"group.instance.id": instance_id} if instance_id else {}


def _json_headers(_value: bytes, _key: Any, _timestamp: int, _headers: Any) -> Any:
    return _JSON


def _bytes_of(found: Unreadable) -> bytes | None:
    return found.value


def _live_with_stdin() -> None:
    """Whoever started this process holds the other end; when it is gone, so is the reason to stream."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(_ORPHANED)


def _tell(report: EngineReport, ended: threading.Event) -> None:
    last = False
    while not last:
        last = ended.wait(_REPORT_SECONDS)
        sys.stdout.buffer.write(encode_report(report) + b"\n")
        sys.stdout.buffer.flush()


def main() -> int:
    """Stream until SIGTERM. Returns 0; what goes wrong is raised."""
    threading.Thread(target=_live_with_stdin, name="stdin", daemon=True).start()
    settings = read_settings(StreamSettings, with_env_file())
    configure_logging(process="sales-engine", settings=settings.log, quiet=("quixstreams",))
    build = Build(settings.sales_stream.build, settings.sales_orders.topic)
    with TemporaryDirectory(prefix="order-sales-") as own:
        engine = Engine(settings, build, Path(settings.sales_stream.state_dir or own))
        ended = threading.Event()
        telling = threading.Thread(target=_tell, args=(engine.report, ended), name="reports")
        telling.start()
        try:
            engine.run()
        finally:
            ended.set()
            telling.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
