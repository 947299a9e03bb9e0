"""PostgreSQL addresses: a URL with libpq's words, taken apart once; no error repeats any of it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from kits.postgres.parameters import known_parameters, parameter_problems

_SCHEMES = {"postgresql", "postgres", "postgresql+asyncpg"}
_FORM = "must look like postgresql://user:password@host:5432/database"
_ESCAPE = (
    "a special character in it is not percent-encoded: write @ as %40, / as %2F, # as %23, ? as %3F,"
    " & as %26, % as %25 and a blank as %20"
)
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_HOST = re.compile(r"\[([^\]]*)\](?::([0-9]+))?|([^:\[\]]*)(?::([0-9]+))?")
_SETTING = re.compile(r"(?:-c\s*|--)([A-Za-z_][\w.-]*)\s*=")
_DEFAULT_PORT = 5432


class DatabaseAddressError(ValueError):
    """The address cannot be used. The text names what is wrong, never a value: it may be a secret."""

    code = "database_address_invalid"


class Host(NamedTuple):
    """A name, an IP address, or the folder of a Unix socket (it begins with a slash)."""

    name: str
    port: int


class DatabaseAddress(NamedTuple):
    """What a URL says; None where it says nothing and libpq's defaults hold. `parameters` are checked."""

    hosts: tuple[Host, ...]
    user: str | None
    password: str | None
    database: str | None
    parameters: Mapping[str, str]

    @property
    def where(self) -> str:
        """`host:5432/database`, for people; no secret in it."""
        hosts = ",".join(f"{host.name}:{host.port}" for host in self.hosts) or "localhost:5432"
        return f"{hosts}/{self.database or '(the default)'}"

    @property
    def own_settings(self) -> frozenset[str]:
        """The names of the settings that `options=-c name=value` gives; they go before ours."""
        names = _SETTING.findall(self.parameters.get("options", ""))
        return frozenset(name.lower().replace("-", "_") for name in names)


def address_problems(variable: str, url: str) -> list[str]:
    """What is wrong with the address in this variable, without repeating any of it; one sentence each."""
    try:
        address = parse_address(url)
    except DatabaseAddressError as error:
        return [f"{variable}: {error}."]
    return [f"{variable}: {problem}." for problem in parameter_problems(address.parameters)]


def parse_address(url: str) -> DatabaseAddress:
    """Take a URL apart; `postgresql://`, `postgres://` and `postgresql+asyncpg://` mean the same.

    Stricter than libpq in one thing: what must be percent-encoded is refused where it is not, since a piece
    of a password would otherwise be taken for a host or a database, and printed.

    Raises:
        DatabaseAddressError: not a PostgreSQL address, or with a parameter that is not known here.
    """
    scheme, separator, rest = url.partition("://")
    if scheme not in _SCHEMES or not separator or not rest:
        raise DatabaseAddressError(_FORM)
    before_query, _, query = rest.partition("?")
    authority, _, path = before_query.partition("/")
    if (
        rest.count("@") > authority.count("@")
        or authority.count("@") > 1
        or "#" in rest
        or _STRAY_PERCENT.search(rest)
        or not rest.isprintable()
        or " " in rest
    ):
        raise DatabaseAddressError(_ESCAPE)
    parameters = _parameters(query)
    credentials, _, hosts = authority.rpartition("@")
    user, _, password = credentials.partition(":")
    address = DatabaseAddress(
        hosts=_hosts(parameters.pop("host", unquote(hosts)), parameters.pop("port", "")),
        user=parameters.pop("user", unquote(user)) or None,
        password=parameters.pop("password", unquote(password)) or None,
        database=parameters.pop("dbname", unquote(path)) or None,
        parameters=parameters,
    )
    if not address.where.isprintable():
        raise DatabaseAddressError("the name of a host or of the database has a character without a shape")
    return address


def _parameters(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in query.split("&") if query else ():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise DatabaseAddressError(f"{_FORM}?name=value&name=value; {_ESCAPE}")
        found[unquote(name)] = unquote(value)
    if unknown := sorted(set(found) - known_parameters()):
        # After a password, what looks like a name may be a piece of it.
        named = "" if {"password", "sslpassword"} & set(found) else f" ({', '.join(unknown)})"
        raise DatabaseAddressError(f"it has a parameter that is not known here{_printable(named)}")
    return found


def _printable(text: str) -> str:
    return text if text.isprintable() and text.isascii() else ""


def _hosts(text: str, ports: str) -> tuple[Host, ...]:
    """`host1:5432,[::1]:5433,/run/postgresql`; `ports`: one for all, or one for each."""
    if not text:
        return ()
    names = text.split(",")
    apart = ports.split(",") if ports else []
    if len(apart) not in {0, 1, len(names)}:
        raise DatabaseAddressError("`port` must have one number, or as many as there are hosts")
    if len(apart) < len(names):
        apart = (apart or [""]) * len(names)
    return tuple(_host(name, port) for name, port in zip(names, apart, strict=True))


def _host(text: str, port: str) -> Host:
    if text.startswith("/"):
        folder, _, of_socket = text.partition(":")
        return Host(str(Path(folder)), _port(port or of_socket))
    match = _HOST.fullmatch(text)
    name = match and (match[1] or match[3])
    if match is None or not name or set(name) & set("/?@ \"'"):
        raise DatabaseAddressError(f"{_FORM}; {_ESCAPE}")
    return Host(name, _port(port or match[2] or match[4] or ""))


def _port(text: str) -> int:
    if not text:
        return _DEFAULT_PORT
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise DatabaseAddressError(f"a port must be a number from 1 to 65535; {_FORM}; {_ESCAPE}")
    return int(text)
