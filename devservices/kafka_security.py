"""Secured doors of a development broker beside its plain one: SCRAM over TLS, client certificates."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PLAIN = "PLAINTEXT"
_SECURED = ("SASL_SSL", "SSL", "SASL_PLAINTEXT")
_MECHANISM = "SCRAM-SHA-512"
_LOGIN_MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


@dataclass(frozen=True, slots=True)
class BrokerSecurity:
    """What a broker needs to check who comes; each listener is named after its protocol.

    SASL_SSL and SASL_PLAINTEXT take SCRAM-SHA-512 users; SSL takes client certificates, and their common name
    is the user. Nobody may do anything without an ACL, except on the plain listener, which is for
    administration and may do everything: for tests on this machine only.
    """

    certificate: Path
    """PEM: the broker's private key (PKCS 8, no password), its certificate, and the CA's."""
    ca: Path
    """PEM: the CA whose client certificates are believed."""
    users: Mapping[str, str]
    """User name -> password, made when the data folder is made."""

    def properties(self) -> dict[str, str]:
        """The settings beside the listeners' addresses."""
        logins = {
            f"listener.name.{name.lower()}.{_MECHANISM.lower()}.sasl.jaas.config": _LOGIN_MODULE
            for name in _SECURED
            if name.startswith("SASL")
        }
        return logins | {
            "sasl.enabled.mechanisms": _MECHANISM,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.certificate),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.ca),
            "listener.name.ssl.ssl.client.auth": "required",
            "ssl.principal.mapping.rules": r"RULE:^CN=([^,]+).*$/$1/",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }

    def format_arguments(self) -> list[str]:
        """What makes the users exist from the first start."""
        return [
            argument
            for name, password in self.users.items()
            for argument in ("--add-scram", f"{_MECHANISM}=[name={name},password={password}]")
        ]


def listener_names(security: BrokerSecurity | None) -> tuple[str, ...]:
    """The doors for clients, in the order of their ports."""
    return (PLAIN, *_SECURED) if security is not None else (PLAIN,)
