"""A real broker that checks who comes: users, certificates and rights, one for the whole session."""

import asyncio
import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import pytest

from devservices import throwaway
from devservices.kafka import KafkaServer
from devservices.kafka_security import BrokerSecurity
from kits.kafka.security import KafkaSecurity
from kits.settings import Secret
from tests.certificates import CertificateAuthority
from tests.waiting import eventually, patient

API, WORKER, SALES, NOBODY = "api", "worker", "sales", "nobody"
CONDUIT_USERS = {role: f"conduit-{role}" for role in ("gateway", "auth", "profiles", "articles")}
_CREATE_ACLS, _DESCRIBE_ACLS = 30, 29
_ANY, _ALLOW, _LITERAL, _PREFIXED = 1, 3, 3, 4


class Kind(IntEnum):
    """What a right is about, in Kafka's numbers."""

    TOPIC = 2
    GROUP = 3
    TRANSACTIONAL_ID = 5


class Operation(IntEnum):
    """What may be done, in Kafka's numbers."""

    READ = 3
    WRITE = 4
    CREATE = 5
    DELETE = 6
    DESCRIBE = 8
    DESCRIBE_CONFIGS = 10


@dataclass(frozen=True, slots=True)
class SecuredKafka:
    """The broker, its CA, and the passwords of its users."""

    server: KafkaServer
    authority: CertificateAuthority
    passwords: dict[str, str]

    @property
    def administration(self) -> str:
        """The plain listener, where everything is allowed."""
        return self.server.bootstrap_servers

    def as_user(self, user: str, **changes: str) -> KafkaSecurity:
        """SCRAM over TLS as this user."""
        given = {"sasl_password": self.passwords[user], "ssl_ca_file": str(self.authority.file)} | changes
        return KafkaSecurity(
            security_protocol="SASL_SSL",
            sasl_username=user,
            sasl_password=Secret(given["sasl_password"]),
            ssl_ca_file=given["ssl_ca_file"],
        )

    def environment(self, user: str, **changes: str) -> dict[str, str]:
        """The same as the settings of a process."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.server.address_of("SASL_SSL"),
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_USERNAME": user,
            "KAFKA_SASL_PASSWORD": self.passwords[user],
            "KAFKA_SSL_CA_FILE": str(self.authority.file),
        } | changes

    async def allow(
        self, user: str, kind: Kind, name: str, *operations: Operation, prefixed: bool = False
    ) -> None:
        """Grant rights, and wait until the broker knows them: it hears of them after they are answered for.

        The client has no call for it, so the requests are spelled out (CreateAcls and DescribeAcls, v1).
        """
        what = struct.pack(">b", kind) + _text(name) + struct.pack(">b", _PREFIXED if prefixed else _LITERAL)
        who = _text(f"User:{user}") + _text("*")
        rights = [what + who + struct.pack(">bb", operation, _ALLOW) for operation in operations]
        answer = await self._ask(_CREATE_ACLS, struct.pack(">i", len(rights)) + b"".join(rights))
        # After throttle time and count: an error code and a text for each right.
        rest = answer[8:]
        for _ in operations:
            code, length = struct.unpack(">hh", rest[:4])
            assert code == 0, rest
            rest = rest[4 + max(0, length) :]

        async def are_known() -> bool:
            known = await self._ask(_DESCRIBE_ACLS, what + who + struct.pack(">bb", _ANY, _ANY))
            return all(who + struct.pack(">bb", operation, _ALLOW) in known for operation in operations)

        await eventually(are_known)

    async def _ask(self, request: int, body: bytes) -> bytes:
        """What follows the correlation id of the answer."""
        header = struct.pack(">hhi", request, 1, 7) + _text("tests")
        host, port = self.administration.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(struct.pack(">i", len(header + body)) + header + body)
            answer = await reader.readexactly(struct.unpack(">i", await reader.readexactly(4))[0])
        finally:
            writer.close()
            await writer.wait_closed()
        return answer[4:]


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


@pytest.fixture(scope="session")
def secured_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    """Started once, when the first test asks for it."""
    directory: Path = tmp_path_factory.mktemp("certificates")
    authority = CertificateAuthority(directory, "test-ca")
    passwords = {
        user: secrets.token_hex(12) for user in (API, WORKER, SALES, NOBODY, *CONDUIT_USERS.values())
    }
    security = BrokerSecurity(certificate=authority.keystore("broker"), ca=authority.file, users=passwords)
    stack = throwaway.claim("kafka-secured")
    server = KafkaServer(stack.instance.directory / "kafka", security=security)
    server.start(patient(60))
    yield SecuredKafka(server, authority, passwords)
    throwaway.release(stack)
