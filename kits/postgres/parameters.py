"""PostgreSQL addresses: libpq's parameters, what each may say here, and what of it the driver understands."""

import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlencode

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
SYSTEM = "system"
_TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "sslmode": SSL_MODES,
    "ssl": ("true", *SSL_MODES),
    "sslnegotiation": ("postgres", "direct"),
    "ssl_min_protocol_version": _TLS_VERSIONS,
    "ssl_max_protocol_version": _TLS_VERSIONS,
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    # What the driver does anyway: the word is allowed as long as it asks for nothing else.
    "client_encoding": ("UTF8", "utf8", "UTF-8", "utf-8", "auto"),
    "gssencmode": ("disable", "prefer"),
    "channel_binding": ("disable", "prefer"),
    "load_balance_hosts": ("disable",),
    "sslcompression": ("0",),
    "sslsni": ("1",),
}
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")
_TEXTS = ("sslpassword", "application_name", "fallback_application_name", "options")
_PLACES = ("host", "port", "user", "password", "dbname")
_HANDED_ON = (
    "sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl", "sslnegotiation",
    "ssl_min_protocol_version", "ssl_max_protocol_version",
)  # fmt: skip
_LONGEST_TIMEOUT = 3600
_HOME = Path("~/.postgresql")


def known_parameters() -> frozenset[str]:
    """The names that an address may have after its `?`."""
    return frozenset((*_CHOICES, *_FILES, *_TEXTS, *_PLACES, "connect_timeout"))


def parameter_problems(parameters: Mapping[str, str]) -> list[str]:
    """What is wrong with the parameters of an address; each names one of them, never its value."""
    return [*_word_problems(parameters), *_file_problems(parameters)] or list(_tls_problems(parameters))


def ssl_mode(parameters: Mapping[str, str]) -> str:
    """The mode that is asked for, empty if none is. `ssl=true` is JDBC's word for `require`, as in libpq."""
    old = parameters.get("ssl", "")
    default = "verify-full" if parameters.get("sslrootcert") == SYSTEM else ""
    return parameters.get("sslmode") or ("require" if old == "true" else old) or default


def connect_seconds(parameters: Mapping[str, str], default: float) -> float:
    """How long one host may take to let us in; libpq's 0 (for ever) becomes the default."""
    return float(parameters.get("connect_timeout", 0)) or default


def driver_options(parameters: Mapping[str, str]) -> dict[str, object]:
    """The arguments of `asyncpg.connect` that say the same; files are read anew for each connection."""
    options: dict[str, object] = {}
    if passfile := parameters.get("passfile"):
        options["passfile"] = passfile
    words = {name: parameters[name] for name in _HANDED_ON if parameters.get(name)}
    if mode := ssl_mode(parameters):
        words["sslmode"] = mode
    if words.get("sslrootcert") == SYSTEM:
        # The driver would look for a file of that name.
        options["ssl"] = _system_context(parameters)
        options["direct_tls"] = parameters.get("sslnegotiation") == "direct" or None
    elif words:
        options["dsn"] = "postgresql://?" + urlencode(words, quote_via=quote)
    return options


def _word_problems(parameters: Mapping[str, str]) -> Iterator[str]:
    for name, choices in _CHOICES.items():
        if name in parameters and parameters[name] not in choices:
            yield f"`{name}` must be {' or '.join(choices)}"
    timeout = parameters.get("connect_timeout", "0")
    if not (timeout.isascii() and timeout.isdigit() and int(timeout[:9]) <= _LONGEST_TIMEOUT):
        yield f"`connect_timeout` must be a whole number of seconds, at most {_LONGEST_TIMEOUT}"


def _file_problems(parameters: Mapping[str, str]) -> Iterator[str]:
    for name in _FILES:
        path = parameters.get(name, SYSTEM)
        if (name, path) == ("sslrootcert", SYSTEM) or name not in parameters:
            continue
        if not _loads(partial(_open, path)):
            yield f"`{name}` names no file that can be read"
        elif name == "passfile" and Path(path).stat().st_mode & 0o077:
            yield "`passfile` may be read by others, and is not used then (chmod 0600)"


def _tls_problems(parameters: Mapping[str, str]) -> Iterator[str]:
    """Ask the TLS library itself: it says which file it cannot use."""
    mode, root = ssl_mode(parameters), parameters.get("sslrootcert")
    if root == SYSTEM and mode != "verify-full":
        yield "`sslrootcert` may be system only with verify-full for `sslmode`"
    if parameters.get("sslnegotiation") == "direct" and SSL_MODES.index(mode or "prefer") < 3:
        yield "`sslnegotiation` may be direct only with require, verify-ca or verify-full for `sslmode`"
    default_root = os.environ.get("PGSSLROOTCERT") or (_HOME / "root.crt").expanduser().is_file()
    if mode.startswith("verify") and not root and not default_root:
        yield "`sslrootcert` must name the file of the server's CA, or be system, for this `sslmode`"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if root and root != SYSTEM and not _loads(lambda: context.load_verify_locations(cafile=root)):
        yield "`sslrootcert` has no certificate in PEM that can be used"
    crl = parameters.get("sslcrl")
    if crl and not _loads(lambda: context.load_verify_locations(cafile=crl)):
        yield "`sslcrl` has no revocation list in PEM that can be used"
    if not _loads(lambda: _load_client_certificate(context, parameters)):
        yield "`sslcert`, `sslkey` and `sslpassword` do not make a certificate with its key"


def _system_context(parameters: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_default_certs()
    context.set_alpn_protocols(["postgresql"])
    _load_client_certificate(context, parameters)
    return context


def _load_client_certificate(context: ssl.SSLContext, parameters: Mapping[str, str]) -> None:
    if certificate := parameters.get("sslcert"):
        default = (_HOME / "postgresql.key").expanduser()
        key = parameters.get("sslkey") or (default if default.is_file() else None)
        context.load_cert_chain(certificate, key, password=lambda: parameters.get("sslpassword", ""))


def _open(path: str) -> None:
    with Path(path).open("rb"):
        pass


def _loads(load: Callable[[], None]) -> bool:
    try:
        load()
    except (OSError, ValueError):
        return False
    return True
