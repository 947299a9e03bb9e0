"""Bounds how one request arrives on a connection: the bytes of each part, and the time until all is there."""

from kits.web.server.wire import (
    HEAD_TOO_LARGE,
    MAX_FRAMING_BYTES,
    MAX_HEAD_BYTES,
    MAX_TRAILER_BYTES,
    TOO_MUCH_FRAMING,
    TRAILERS_TOO_LARGE,
    Refusal,
)

_CHUNK_BYTES = 16
_BYTES_PER_BODY_BYTE = 3
_SEPARATORS = 4


class RequestArrival:
    """Follows the bytes of one connection from request to request; times are the event loop's, in seconds.

    What is neither head nor body is framing: chunk sizes with their extensions, and trailers. The parser
    shows none of it before it is complete, so it is counted as what came, less what chunks may need: 16 bytes
    each, and twice what they carry (Go's net/http bounds it the same way).
    """

    def __init__(self, now: float) -> None:
        self.in_head = True
        self._head_bytes = 0
        self._framing_bytes = 0
        self._trailer_bytes = 0
        self._since: float | None = now

    def bytes_came(self, count: int, now: float) -> None:
        """Bytes are about to be parsed."""
        if self.in_head:
            self._head_bytes += count
        else:
            self._framing_bytes += count
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
        self._framing_bytes = self._trailer_bytes = 0

    def chunk_began(self) -> None:
        """A chunk's size has been read."""
        self._framing_bytes = max(0, self._framing_bytes - _CHUNK_BYTES)

    def body_came(self, count: int) -> None:
        """So many of the bytes were body."""
        self._framing_bytes = max(0, self._framing_bytes - _BYTES_PER_BODY_BYTE * count)

    def trailer_came(self, name: bytes, value: bytes) -> None:
        """A field after the body."""
        self._trailer_bytes += len(name) + len(value) + _SEPARATORS

    def message_complete(self) -> None:
        """Between two requests the keep-alive timer watches."""
        self.in_head = True
        self._head_bytes = 0
        self._since = None

    @property
    def refusal(self) -> Refusal | None:
        """Why no more is read: a part is unfinished and too long already; the parser keeps it as it grows."""
        if self.in_head:
            return HEAD_TOO_LARGE if self._head_bytes > MAX_HEAD_BYTES else None
        if self._trailer_bytes > MAX_TRAILER_BYTES:
            return TRAILERS_TOO_LARGE
        return TOO_MUCH_FRAMING if self._framing_bytes > MAX_FRAMING_BYTES else None

    def began_before(self, moment: float) -> bool:
        """A request (or a new connection) began before this moment and is not complete."""
        return self._since is not None and self._since < moment

    def _begin(self, now: float) -> None:
        if self._since is None:
            self._since = now
