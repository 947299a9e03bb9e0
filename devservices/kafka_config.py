"""Settings of a single development broker (KRaft: broker and controller in one process)."""

from collections.abc import Mapping

from devservices.kafka_security import PLAIN
from devservices.ports import LOOPBACK

JVM_OPTIONS = (
    "-Xms256m",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    # The C1 compiler alone: measured, the broker answers 1.3 s after its start instead of 2.1 s.
    "-XX:TieredStopAtLevel=1",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
    "-Djava.awt.headless=true",
)
DATA = "data"
LOG4J_FILE = "log4j2.properties"
LOG4J = """\
status = error
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = broker.log
appender.file.filePattern = broker.log.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{ISO8601} %p %c{1} %m%n
appender.file.policies.type = SizeBasedTriggeringPolicy
appender.file.policies.size = 20MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 2
"""


def server_properties(
    listeners: Mapping[str, int],
    controller_port: int,
    session_timeout_ms: int,
    advertised_port: int | None = None,
) -> Mapping[str, str]:
    """The broker's settings; one replica of everything, topics only when they are created on purpose.

    Args:
        listeners: security protocol -> port, the plain one among them.
        advertised_port: where plain clients are sent, when a proxy stands before the broker.
    """
    advertised = {**listeners, PLAIN: advertised_port or listeners[PLAIN]}
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
        "listeners": f"{_addresses(listeners)},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": _addresses(advertised),
        "listener.security.protocol.map": ",".join(
            [*(f"{name}:{name}" for name in listeners), "CONTROLLER:PLAINTEXT"]
        ),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        # Relative to the working directory: in an absolute path a comma would begin another folder.
        "log.dirs": DATA,
        "auto.create.topics.enable": "false",
        "num.partitions": "3",
        "offsets.topic.num.partitions": "5",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "5",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # The default delays the first join of every group by three seconds.
        "group.initial.rebalance.delay.ms": "0",
        # A killed broker's registration must time out before its successor is let in: 2 s instead of 9 s.
        "broker.session.timeout.ms": str(session_timeout_ms),
        "broker.heartbeat.interval.ms": str(min(2000, session_timeout_ms // 4)),
        # Nobody waits for news when there are none: without this two empty records a second are written.
        "metadata.max.idle.interval.ms": "0",
        # 30 days, as long as the events themselves are kept: an idle group must not lose its place before.
        "offsets.retention.minutes": "43200",
        "log.segment.bytes": str(64 * 1024 * 1024),
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        "num.network.threads": "2",
        "num.io.threads": "4",
    }


def as_properties(values: Mapping[str, str]) -> str:
    """The text of a Java properties file, which is read as Latin-1: ASCII, with escapes for the rest."""
    return "".join(f"{key}={_escaped(value)}\n" for key, value in values.items())


def _escaped(value: str) -> str:
    escaped = value.replace("\\", "\\\\")
    units = escaped.encode("utf-16-be", "surrogatepass")
    codes = [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]
    text = "".join(chr(code) if 0x20 <= code < 0x7F else f"\\u{code:04x}" for code in codes)
    return f"\\{text}" if text.startswith(" ") else text


def _addresses(ports: Mapping[str, int]) -> str:
    return ",".join(f"{name}://{LOOPBACK}:{port}" for name, port in ports.items())
