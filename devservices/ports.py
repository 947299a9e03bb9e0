"""TCP ports on the loopback interface: which are free, which answer."""

import socket

LOOPBACK = "127.0.0.1"


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now (TIME_WAIT counts as free, as for a server)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    # On macOS one address can be bound beside a listener on all addresses.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((host, port)) != 0


def choose_free(count: int = 1) -> list[int]:
    """`count` different ports that are free now; nobody reserves them until a server listens."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
    try:
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def keep_or_choose(remembered: list[int], count: int) -> list[int]:
    """The remembered ports when all are free, so that addresses stay the same; else new ones."""
    if len(remembered) == count and all(is_free(port) for port in remembered):
        return remembered
    return choose_free(count)


def exchange(port: int, request: bytes, *, within_seconds: float, host: str = LOOPBACK) -> bytes:
    """Send `request`, return the first bytes of the answer; b"" when nobody answers in time."""
    try:
        with socket.create_connection((host, port), timeout=within_seconds) as connection:
            connection.sendall(request)
            return connection.recv(64)
    except OSError:
        return b""
