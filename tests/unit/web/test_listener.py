"""Where a server listens: IPv6 addresses are taken as they stand in a URL, and shown so."""

import socket
from typing import Any

import pytest

from kits.web.server.listener import bound_socket, url_of


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_ipv6_address_may_stand_in_brackets(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system looks it up without them (and here answers with an address that every machine has)."""
    asked = []
    look_up = socket.getaddrinfo

    def looked_up(name: str, port: int, **more: Any) -> Any:
        asked.append(name)
        return look_up("127.0.0.1", port, **more)

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    with bound_socket(host, 0):
        assert asked == ["::1"]


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("localhost", "http://localhost:80"),
        ("::1", "http://[::1]:80"),
        ("[::1]", "http://[::1]:80"),
    ],
)
def test_an_address_is_shown_as_a_browser_takes_it(host: str, url: str) -> None:
    """Brackets are there exactly when they are needed."""
    assert url_of(host, 80) == url
