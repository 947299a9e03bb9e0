"""Settings: whether the way to a neighbour is safe enough for what travels on it."""

import ipaddress
import ssl
from urllib.parse import urlsplit


def is_base_address(url: str) -> bool:
    """Whether paths may be put behind it: http or https, a host, no user, query or fragment."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and not {" ", "?", "#"} & set(url)
    return parts.scheme in {"http", "https"} and bool(host) and "@" not in parts.netloc and is_plain


def sends_in_plain_text(url: str) -> bool:
    """Whether everybody between here and there could read along; this machine's own addresses are safe."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return parts.scheme == "http" and not _is_loopback(host)


def is_authority_file(path: str) -> bool:
    """Whether this file holds certificates that can be trusted."""
    try:
        return bool(ssl.create_default_context(cafile=path).get_ca_certs())
    except (OSError, ValueError):
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
