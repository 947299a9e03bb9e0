"""The socket that a server will listen on, bound before anything else is started."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

UNREAD_MS = 30_000
RECEIVE_BYTES = 64 * 1024
SEND_BYTES = 256 * 1024


class AddressError(Exception):
    """The server cannot listen where it should; the text says what to change."""

    code = "address_unusable"


class PortTakenError(AddressError):
    """Another program listens there."""

    code = "port_taken"


def url_of(host: str, port: int) -> str:
    """`http://host:port`, with an IPv6 address in brackets."""
    bare = _bare(host)
    return f"http://[{bare}]:{port}" if ":" in bare else f"http://{bare}:{port}"


def _bare(host: str) -> str:
    """An IPv6 address without the brackets that it has in a URL."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


@contextmanager
def bound_socket(host: str, port: int) -> Iterator[socket.socket]:
    """A TCP socket bound to the first address of `host`, not listening yet; closed at the end of the block.

    Raises:
        PortTakenError, AddressError: also when listening fails inside of the block.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(_bare(host), port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError, OverflowError) as error:
        raise AddressError(f"Cannot listen on {host}, port {port}: this is no address here.") from error
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit them. By itself the kernel keeps up to several MiB of each, read or unread.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Connections inherit it: a peer that never reads its answers cannot hold one for ever (Linux).
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MS)
        with listening_errors(host, port):
            listener.bind(address)
        yield listener


@contextmanager
def listening_errors(host: str, port: int) -> Iterator[None]:
    """Turns the errors of bind and listen into ours."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(
                f"Port {port} on {host} is taken: stop the other program or choose another port."
            ) from error
        raise AddressError(f"Cannot listen on {host}, port {port}: {error.strerror}.") from error
