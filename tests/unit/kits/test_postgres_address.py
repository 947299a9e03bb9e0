"""Addresses of PostgreSQL: libpq's words are understood, or refused by name; no value is repeated."""

from pathlib import Path

import pytest

from kits.postgres.address import DatabaseAddressError, Host, address_problems, parse_address
from kits.postgres.parameters import driver_options
from tests.certificates import CertificateAuthority


@pytest.mark.parametrize(
    "url", ["postgresql://u:p@h:5432/d", "postgres://u:p@h:5432/d", "postgresql+asyncpg://u:p@h:5432/d"]
)
def test_every_usual_spelling_of_an_address_is_understood(url: str) -> None:
    """As the platforms hand them out."""
    address = parse_address(url)
    assert (address.hosts, address.user, address.password) == ((Host("h", 5432),), "u", "p")
    assert address.where == "h:5432/d"


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://h/d", [Host("h", 5432)]),
        ("postgresql://h1:1,h2,[::1]:3/d", [Host("h1", 1), Host("h2", 5432), Host("::1", 3)]),
        ("postgresql://u@%2Frun%2Fpostgresql:5433/d", [Host("/run/postgresql", 5433)]),
        ("postgresql:///d?host=/tmp&port=7", [Host("/tmp", 7)]),  # noqa: S108 - a folder of sockets
        ("postgresql:///d?host=h1,h2&port=1,2", [Host("h1", 1), Host("h2", 2)]),
        ("postgresql:///d", []),
    ],
)
def test_hosts_may_be_several_or_sockets(url: str, hosts: list[Host]) -> None:
    """In the place of the host, or as parameters."""
    assert list(parse_address(url).hosts) == hosts


def test_what_is_percent_encoded_is_what_it_stands_for() -> None:
    """Every character that a password may have."""
    assert parse_address("postgresql://u:%40%2F%23%3F%25%26+@h/d").password == "@/#?%&+"


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:hunter2@h/d",
        "h:5432",
        "postgresql://",
        "postgresql://u:hunter2@h:x/d",
        "postgresql://u:hunter2",
        "postgresql://u:hun@ter2@h/d",
        "postgresql://u:hun/ter2@h/d",
        "postgresql://u:hun#ter2@h/d",
        "postgresql://u:hun?ter2@h/d",
        "postgresql://u:hun?ter2=1@h/d",
        "postgresql://u:hun%ter2@h/d",
        "postgresql://u:hun ter2@h/d",
        "postgresql://h/d?password=hun&ter2=1",
        "postgresql://h/d?password=hun&ter2",
        "postgresql://u:hunter2@h:99999/d",
        "postgresql://u:hunter2@h1,,h2/d",
        "postgresql://u:hunter2@h/d%0A",
        "postgresql://u:hunter2%00@h/d",
        "postgresql://u:p@h/d?sslmode=hunter2",
        "postgresql://u:p@h/d?connect_timeout=hunter2",
        "postgresql://u:p@h/d?sslrootcert=/hunter2.pem",
        "postgresql://u:p@h1,h2,h3/d?port=1,2",
    ],
)
def test_a_wrong_address_is_refused_without_repeating_any_of_it(url: str) -> None:
    """Each piece may be a piece of a password whose special characters nobody encoded."""
    problems = address_problems("DATABASE_URL", url)
    assert len(problems) == 1
    assert problems[0].startswith("DATABASE_URL: ")
    for piece in ("hunter2", "hun", "ter2"):
        assert piece not in problems[0]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("service=x", "service"),
        ("hostaddr=127.0.0.1", "hostaddr"),
        ("requirepeer=x", "requirepeer"),
        ("sslmode=tls", "sslmode"),
        ("sslmode=verify-full&sslrootcert=", "sslrootcert"),
        ("sslrootcert=system&sslmode=require", "sslrootcert"),
        ("sslcert=/nowhere/a.pem", "sslcert"),
        ("sslnegotiation=direct", "sslnegotiation"),
        ("target_session_attrs=master", "target_session_attrs"),
        ("connect_timeout=5s", "connect_timeout"),
        ("client_encoding=LATIN1", "client_encoding"),
        ("channel_binding=require", "channel_binding"),
        ("gssencmode=require", "gssencmode"),
        ("passfile=/nowhere", "passfile"),
    ],
)
def test_a_parameter_that_cannot_be_obeyed_is_named(
    words: str, named: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Never ignored: whoever asks for a protection must have it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)
    problems = address_problems("DATABASE_URL", f"postgresql://u:p@h/d?{words}")
    assert len(problems) == 1
    assert named in problems[0]


def test_files_must_hold_what_they_are_named_for(tmp_path: Path) -> None:
    """A key that does not belong to its certificate is told at the start, not at the first connection."""
    authority = CertificateAuthority(tmp_path, "ca")
    certificate, key = authority.issue("shop")
    _, other_key = authority.issue("another")
    url = "postgresql://u:p@h/d?sslmode=verify-full"
    good = f"{url}&sslrootcert={authority.file}&sslcert={certificate}&sslkey={key}"
    assert address_problems("DATABASE_URL", good) == []
    assert (
        "`sslcert`, `sslkey`" in address_problems("DATABASE_URL", good.replace(str(key), str(other_key)))[0]
    )
    root_is_key = address_problems("DATABASE_URL", f"{url}&sslrootcert={key}")
    assert "`sslrootcert` has no certificate" in root_is_key[0]


def test_a_password_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """The driver would leave it aside, and the server then complain about the password."""
    passfile = tmp_path / "pgpass"
    passfile.write_text("*:*:*:*:secret\n")
    passfile.chmod(0o644)
    assert "`passfile`" in address_problems("DATABASE_URL", f"postgresql://h/d?passfile={passfile}")[0]
    passfile.chmod(0o600)
    assert address_problems("DATABASE_URL", f"postgresql://h/d?passfile={passfile}") == []


def test_a_name_that_could_forge_a_line_of_the_log_is_refused() -> None:
    """Host and database are printed."""
    with pytest.raises(DatabaseAddressError):
        parse_address("postgresql://h/d%1B[31m")


def test_the_driver_gets_libpqs_words_as_they_are() -> None:
    """It knows what they mean; `ssl=true` is JDBC's word."""
    words = {"sslmode": "require", "sslrootcert": "/a b&c.pem"}
    assert driver_options(words) == {
        "dsn": "postgresql://?sslmode=require&sslrootcert=%2Fa%20b%26c.pem",
    }
    assert driver_options({"ssl": "true"}) == {"dsn": "postgresql://?sslmode=require"}
    assert driver_options({"application_name": "x", "connect_timeout": "3"}) == {}
