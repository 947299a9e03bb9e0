"""Kafka kit: how to reach the brokers safely, and what the client is told about it."""

import ssl
from typing import Any, Literal

import msgspec

from kits.kafka.errors import KafkaConfigurationError
from kits.settings import Secret, is_file

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class KafkaSecurity(msgspec.Struct, frozen=True, kw_only=True):
    """Protocol, credentials and certificates of the way to the brokers. Empty means unset."""

    security_protocol: Protocol = "PLAINTEXT"
    sasl_mechanism: Mechanism = "SCRAM-SHA-512"
    sasl_username: str = ""
    sasl_password: Secret = Secret("")
    ssl_ca_file: str = ""
    ssl_cert_file: str = ""
    ssl_key_file: str = ""
    allow_plaintext_sasl: bool = False

    @property
    def uses_sasl(self) -> bool:
        return self.security_protocol.startswith("SASL_")

    @property
    def uses_tls(self) -> bool:
        return self.security_protocol.endswith("SSL")

    def problems(self) -> list[str]:
        """One sentence for every contradiction and every file that cannot be read; none if all is well."""
        return [*self._sasl_problems(), *self._tls_problems()]

    def _sasl_problems(self) -> list[str]:
        found: list[str] = []
        if self.uses_sasl and not self.sasl_username:
            found.append(f"{self.security_protocol} needs a SASL username.")
        if self.uses_sasl and not self.sasl_password:
            found.append(f"{self.security_protocol} needs a SASL password.")
        if not self.uses_sasl and (self.sasl_username or self.sasl_password):
            found.append(f"SASL credentials are set, but {self.security_protocol} would not send them.")
        if self.security_protocol == "SASL_PLAINTEXT" and not self.allow_plaintext_sasl:
            found.append("SASL_PLAINTEXT is refused: the connection is not encrypted; use SASL_SSL.")
        return found

    def _tls_problems(self) -> list[str]:
        files = {
            "CA file": self.ssl_ca_file,
            "certificate": self.ssl_cert_file,
            "private key": self.ssl_key_file,
        }
        found: list[str] = []
        if not self.uses_tls and any(files.values()):
            found.append(f"TLS files are set, but {self.security_protocol} would not use them.")
        if self.ssl_key_file and not self.ssl_cert_file:
            found.append("A private key is set without its certificate.")
        missing = [name for name, path in files.items() if path and not is_file(path)]
        return found + [f"The TLS {what} does not exist or is no file." for what in missing]


def client_options(security: KafkaSecurity) -> dict[str, Any]:
    """The keyword arguments that every client of this kit gets.

    Raises:
        KafkaConfigurationError: with every problem at once, one sentence each; no secret is printed.
    """
    problems = security.problems()
    if problems:
        raise KafkaConfigurationError("\n".join(problems))
    options: dict[str, Any] = {"security_protocol": security.security_protocol}
    if security.uses_tls:
        options["ssl_context"] = _tls_context(security)
    if security.uses_sasl:
        options["sasl_mechanism"] = security.sasl_mechanism
        options["sasl_plain_username"] = security.sasl_username
        # A plain str: the client encodes it, and a subclass must not surprise it.
        options["sasl_plain_password"] = str.__str__(security.sasl_password)
    return options


def asking_options(
    bootstrap_servers: str, security: KafkaSecurity, client_id: str, within_seconds: float
) -> dict[str, Any]:
    """The keyword arguments of a client that looks something up and is closed again.

    Raises:
        KafkaConfigurationError: as client_options.
    """
    return client_options(security) | {
        "bootstrap_servers": bootstrap_servers,
        "client_id": client_id,
        "request_timeout_ms": int(within_seconds * 1000),
    }


def _tls_context(security: KafkaSecurity) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=security.ssl_ca_file or None)
        if security.ssl_cert_file:
            # An encrypted key would make OpenSSL ask on the terminal: answer with nothing instead.
            context.load_cert_chain(
                security.ssl_cert_file, security.ssl_key_file or None, password=lambda: ""
            )
    except (ssl.SSLError, OSError) as error:
        raise KafkaConfigurationError(
            f"The TLS files cannot be used ({error}): check that they are PEM and belong together."
        ) from error
    return context


class KafkaSettings(KafkaSecurity, frozen=True, kw_only=True):
    """The settings group `KAFKA_…` of a process: where the brokers are, and how to reach them."""

    bootstrap_servers: str
    """Comma-separated host:port."""
