"""Where a key set may be fetched from: whoever can change it on its way can sign tokens."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def key_address_problems(name: str, url: str) -> list[str]:
    """What is wrong with this address, one sentence each, without the address; `name` is its setting."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in {"https", "http"} or not host or not url.isascii() or not url.isprintable():
        return [f"{name}: must be an address like https://issuer.example/.well-known/jwks.json."]
    if parts.username is not None or parts.password is not None or parts.fragment:
        return [f"{name}: must have no user, password or fragment; a key set is public."]
    if parts.scheme == "http" and not _is_this_machine(host):
        return [f"{name}: must be https; http is for this machine alone (127.0.0.1, localhost, [::1])."]
    return []


def shown_address(url: str) -> str:
    """The address for logs and errors, without its query."""
    return url.partition("?")[0]


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
