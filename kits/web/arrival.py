"""Bounds how one request arrives on a connection: the size of its head, and the time until it is complete."""

from kits.web.wire import MAX_HEAD_BYTES


class Arrival:
    """Follows the bytes of one connection from request to request; times are the event loop's, in seconds."""

    def __init__(self, now: float) -> None:
        self.in_head = True
        self._head_bytes = 0
        self._since: float | None = now

    def bytes_came(self, count: int, now: float) -> None:
        """Bytes are about to be parsed."""
        self._head_bytes += count
        self._begin(now)

    def message_began(self, now: float) -> None:
        """The parser has seen the first byte of a request."""
        self.in_head = True
        # Counted from the next bytes on: these may hold the end of another request.
        self._head_bytes = 0
        self._begin(now)

    def head_complete(self) -> None:
        """What follows is a body."""
        self.in_head = False

    def message_complete(self) -> None:
        """Between two requests the keep-alive timer watches."""
        self.in_head = True
        self._head_bytes = 0
        self._since = None

    @property
    def head_too_large(self) -> bool:
        """The head is unfinished and too long already; the parser keeps an unfinished line as it grows."""
        return self.in_head and self._head_bytes > MAX_HEAD_BYTES

    def began_before(self, moment: float) -> bool:
        """A request (or a new connection) began before this moment and is not complete."""
        return self._since is not None and self._since < moment

    def _begin(self, now: float) -> None:
        if self._since is None:
            self._since = now
