"""Where a key set may come from: nobody on the way may change it."""

import pytest

from kits.web.tokens.key_address import key_address_problems, shown_address


@pytest.mark.parametrize(
    "url",
    [
        "https://issuer.example/.well-known/jwks.json",
        "https://issuer.example:8443/keys?tenant=a",
        "http://127.0.0.1:9000/keys",
        "http://127.8.8.8/keys",
        "http://localhost/keys",
        "http://[::1]:9000/keys",
        "HTTPS://ISSUER.EXAMPLE/keys",
    ],
)
def test_https_and_this_machine_are_fine(url: str) -> None:
    assert key_address_problems("JWT_JWKS_URL", url) == []


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://issuer.example/hunter2", "must be https"),
        ("http://10.0.0.1/hunter2", "must be https"),
        ("http://127.0.0.1.issuer.example/hunter2", "must be https"),
        ("http://localhost.issuer.example/hunter2", "must be https"),
        ("https://user:hunter2@issuer.example/keys", "no user"),
        ("http://hunter2@127.0.0.1/keys", "no user"),
        ("https://issuer.example/keys#hunter2", "fragment"),
        ("file:///etc/hunter2", "must be an address like"),
        ("ftp://issuer.example/hunter2", "must be an address like"),
        ("issuer.example/hunter2", "must be an address like"),
        ("https:///hunter2", "must be an address like"),
        ("https://[::1/hunter2", "must be an address like"),
        ("https://issuer.example:99999/hunter2", "must be an address like"),
        ("https://issuer.example/hunter2\x00", "must be an address like"),
        ("https://íssuer.example/hunter2", "must be an address like"),
    ],
)
def test_anything_else_is_refused_without_being_printed(url: str, rule: str) -> None:
    (problem,) = key_address_problems("JWT_JWKS_URL", url)
    assert problem.startswith("JWT_JWKS_URL: ")
    assert rule in problem
    assert "hunter2" not in problem


def test_a_query_is_not_shown() -> None:
    assert shown_address("https://issuer.example/keys?token=hunter2") == "https://issuer.example/keys"
