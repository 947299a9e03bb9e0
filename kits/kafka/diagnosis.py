"""Kafka kit: why no broker can be used; each address is asked again, since the client hides the reason."""

import asyncio
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aiokafka import errors as client
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.protocol.metadata import MetadataRequest

from kits.kafka.errors import KafkaError, KafkaUnavailableError
from kits.kafka.failures import UNREACHABLE_CAUSES, translated

_SECONDS = 3.0
_ADDRESSES = 3
_ANSWERS = "answers now"
_TLS_ALERT = 0x1503
# Where the first address answers and the others do not, the client has an error without a kind too.
_NO_BROKER = (
    client.KafkaConnectionError,
    client.NodeNotReadyError,
    client.RequestTimedOutError,
    TimeoutError,
)
_FOR_CONNECTIONS = (
    "security_protocol",
    "ssl_context",
    "sasl_mechanism",
    "sasl_plain_username",
    "sasl_plain_password",
)


async def explained(error: BaseException, doing: str, options: Mapping[str, Any]) -> KafkaError:
    """As translated(); where no broker can be used it looks for the reason, at most some 12 s long.

    Args: options: the keyword arguments of the client that failed. No secret of them is told.
    """
    if not isinstance(error, _NO_BROKER) and type(error) is not client.KafkaError:
        return translated(error, doing)
    hosts = collect_hosts(options["bootstrap_servers"], randomize=False)[:_ADDRESSES]
    asked = await asyncio.gather(*(_verdict(host, port, options) for host, port, _ in hosts))
    if not isinstance(error, client.KafkaConnectionError) and all(said == _ANSWERS for said in asked):
        return translated(error, doing)
    found = ", ".join(f"{host}:{port} {said}" for (host, port, _), said in zip(hosts, asked, strict=True))
    return KafkaUnavailableError(
        f"{doing}: no broker can be used: {found} (it may be any of: {UNREACHABLE_CAUSES})"
    )


async def _verdict(host: str, port: int, options: Mapping[str, Any]) -> str:
    said, brokers = await _asked(host, port, options)
    # A client goes to the addresses that it is given here, and only there.
    elsewhere = sorted({(there, number) for _node, there, number, *_ in brokers} - {(host, port)})
    for there, number in elsewhere[:_ADDRESSES]:
        fault, _ = await _asked(there, number, options)
        if fault != _ANSWERS:
            reason = f"which cannot be reached: {fault}; check advertised.listeners"
            return f"sends its clients to {there}:{number}, {reason}"
    return said


async def _asked(host: str, port: int, options: Mapping[str, Any]) -> tuple[str, Sequence[Any]]:
    """What this address does with us, and the brokers that it names."""
    security = {name: options[name] for name in _FOR_CONNECTIONS if name in options}
    try:
        async with asyncio.timeout(_SECONDS):
            connection = await create_conn(
                host,
                port,
                client_id=options["client_id"],
                request_timeout_ms=int(_SECONDS * 1000),
                **security,
            )
            try:
                # A listener with SASL takes the first steps of anybody; only a real request is refused.
                return _ANSWERS, (await connection.send(MetadataRequest([]))).brokers
            finally:
                connection.close()
    except (client.KafkaError, OSError, EOFError, ValueError, TimeoutError) as error:
        return _in_words(error, options), ()


def _in_words(error: BaseException, options: Mapping[str, Any]) -> str:
    protocol = options["security_protocol"]
    for cause in _causes(error):
        if said := _known(cause, protocol):
            return said
    if isinstance(error, TimeoutError):
        return "does not answer: the broker is down or frozen, or the network drops what is sent"
    if isinstance(error, OSError) and not isinstance(error, ConnectionError):
        return f"cannot be connected to ({error})"
    expects = "credentials (SASL)" if not protocol.startswith("SASL") else "another security protocol"
    if protocol.endswith("SSL"):
        expects += " or no TLS"
    return f"broke the connection off: it may expect {expects}, check KAFKA_SECURITY_PROTOCOL"


def _known(error: BaseException, protocol: str) -> str | None:
    said: str | None
    match error:
        case ConnectionRefusedError():
            said = "is not listened on: the broker is down, or the address is wrong"
        case socket.gaierror():
            said = "has a name that cannot be resolved"
        case ssl.SSLCertVerificationError():
            reason = error.verify_message
            said = f"has a certificate that is not trusted ({reason}): check KAFKA_SSL_CA_FILE and the name"
        case ssl.SSLError() if "CERTIFICATE" in (error.reason or ""):
            said = "does not take our client certificate: check KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE"
        case ssl.SSLError():
            said = f"does not understand our TLS ({error.reason}): it may be a listener without TLS"
        case asyncio.IncompleteReadError() if (error.expected or 0) >> 16 == _TLS_ALERT:
            said = f"expects TLS, and KAFKA_SECURITY_PROTOCOL={protocol} does not use it"
        case client.SaslAuthenticationFailed():
            said = "refused the user name or the password: check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"
        case client.UnsupportedSaslMechanismError():
            said = "does not offer this mechanism: check KAFKA_SASL_MECHANISM"
        case client.IllegalSaslStateError():
            said = f"takes no credentials: KAFKA_SECURITY_PROTOCOL={protocol} is wrong for this listener"
        case _:
            said = None
    return said


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
