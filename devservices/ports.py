"""TCP ports on the loopback interface: which are free, which answer."""

import random
import socket
import time
from itertools import islice

from devservices import state
from devservices.instance import HOME
from devservices.locks import exclusive

LOOPBACK = "127.0.0.1"
# Below what the systems give to outgoing connections (Linux from 32768, macOS from 49152).
_OURS = range(20_000, 32_768)
_KEPT_SECONDS = 300.0


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
    """`count` different ports that are free now, and stay so for five minutes until a server listens.

    The system gives them to no connection, and other processes of this checkout choose others meanwhile.
    """
    chosen_before = HOME / "locks" / ".ports.json"
    with exclusive(HOME / "locks" / ".ports.lock"):
        now = time.time()
        kept = {port: at for port, at in state.load(chosen_before).items() if now - at < _KEPT_SECONDS}
        candidates = random.sample(_OURS, len(_OURS))
        free = (port for port in candidates if str(port) not in kept and is_free(port))
        chosen = list(islice(free, count))
        state.save(chosen_before, kept | dict.fromkeys(map(str, chosen), now))
    return chosen


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
