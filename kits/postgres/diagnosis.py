"""PostgreSQL diagnosis: one sentence for the operator who made a mistake, and whether waiting can mend it."""

import socket
import ssl
from collections.abc import Mapping
from typing import NamedTuple

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from kits.postgres.connect import SessionSettingsLostError
from kits.postgres.errors import sqlstate

DATABASE_ERRORS = (
    DBAPIError, PoolTimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError,
)  # fmt: skip
"""What a statement may raise."""
CONNECTION_ERRORS = (OSError, TimeoutError, *DATABASE_ERRORS)
"""What an attempt to connect may raise."""


class Diagnosis(NamedTuple):
    """`The database at … {found}: {action}.`; `lasting` when it stays so until somebody acts."""

    found: str
    action: str
    lasting: bool = True


_POOLER = Diagnosis(
    "is reached through a pooler that does not pass on the settings of our sessions (PgBouncer)",
    "connect to PostgreSQL itself (README: behind a pooler)",
)
_BY_STATE = {
    "28P01": Diagnosis("refuses this user and password", "correct them in the address"),
    "28000": Diagnosis(
        "does not let this user in",
        "create the role with LOGIN, or let pg_hba.conf admit it from here with this `sslmode`",
    ),
    "3D000": Diagnosis("is not there", "create it (CREATE DATABASE), or correct its name in the address"),
    "42501": Diagnosis("may not be used by this role", "let its owner GRANT CONNECT ON DATABASE to the role"),
    "08P01": _POOLER,
    "53300": Diagnosis(
        "has no free connection for this role",
        "raise max_connections or the role's CONNECTION LIMIT, or lower DATABASE_POOL_SIZE",
        lasting=False,
    ),
    "57P03": Diagnosis("does not answer yet (it is starting or stopping)", "wait for it", lasting=False),
}
_SETTINGS = {"22023", "42704", "55P02", "42602", "42601"}
_BAD_SETTING = Diagnosis("refuses a setting in `options`", "correct it in the address")
_NO_TLS = Diagnosis("does not speak TLS, which `sslmode` demands", "enable it there, or correct `sslmode`")
_BY_TYPE: Mapping[type[BaseException], Diagnosis] = {
    SessionSettingsLostError: _POOLER,
    asyncpg.TargetServerAttributeNotMatched: Diagnosis(
        "has no host that is what `target_session_attrs` asks for",
        "promote one, or correct it",
        lasting=False,
    ),
    asyncpg.ClientConfigurationError: Diagnosis(
        "has an address that the driver cannot use", "look at its parameters, and at PG… in the environment"
    ),
    socket.gaierror: Diagnosis(
        "has a host name that is not known here", "correct the name, or mend DNS", lasting=False
    ),
}
TOLD_BY_STATE = {
    "25006": "The database is read-only: it is a standby, or default_transaction_read_only is on."
    " Make it writable again, or let the address lead to the primary.",
    "53100": "The database's disk is full: give it room; nothing can be stored until then.",
}
"""What a statement that may have been right says about the server."""


def diagnose_connection(error: BaseException) -> Diagnosis:
    """What a failed attempt to connect says about the address, the role or the server."""
    cause = _driver_error(error)
    state = sqlstate(cause)
    if state in _BY_STATE:
        return _BY_STATE[state]
    if state in _SETTINGS:
        return _BAD_SETTING
    for kind, found in _BY_TYPE.items():
        if isinstance(cause, kind):
            return found
    if isinstance(cause, ssl.SSLError):
        return _tls_refused(cause)
    if isinstance(cause, ConnectionError) and "rejected SSL upgrade" in str(cause):
        return _NO_TLS
    reason = f"{type(cause).__name__} {state}".strip()
    return Diagnosis(f"does not answer ({reason})", "start it, or correct its address", lasting=False)


def diagnose_statement(error: BaseException) -> str:
    """What a failed statement of a command means, as one sentence; the server's own words if need be."""
    cause = _driver_error(error)
    state = sqlstate(cause)
    if state in TOLD_BY_STATE:
        return TOLD_BY_STATE[state]
    if not state:
        return f"The database does not answer ({type(cause).__name__}): look at it, then repeat this."
    said = " ".join(str(cause).split())
    told = "".join(letter if letter.isprintable() else "?" for letter in said)
    if state == "42501":
        return f"The database refuses this role ({told}): grant the right, then repeat this."
    return f"The database refuses this ({state}: {told})."


def _tls_refused(error: ssl.SSLError) -> Diagnosis:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Diagnosis(
            f"shows a certificate that is not trusted ({error.verify_message})",
            "name its CA in `sslrootcert`, and the host as the certificate does",
        )
    return Diagnosis(
        f"ends the TLS handshake ({error.reason or type(error).__name__})",
        "look at `sslcert`, `sslkey` and the TLS versions of both sides",
    )


def _driver_error(error: BaseException) -> BaseException:
    """What the driver raised: the engine wraps it twice."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error
