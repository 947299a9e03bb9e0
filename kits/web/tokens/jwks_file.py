"""A file of public keys that may be replaced while the process runs: keys rotate without a restart."""

import math
import time
from pathlib import Path

from kits.web.tokens.followed_keys import FollowedKeys
from kits.web.tokens.key_set import MAX_BYTES
from kits.web.tokens.keys import TokenKeysError

LOOK_SECONDS = 1.0


class JwksFile(FollowedKeys):
    """The keys of a JSON Web Key Set file, followed without a thread: whoever uses the keys looks first.

    A look costs one `stat` at most once per second, and one read more if the file was changed, or was refused
    at the last one. To rotate: add the new key, wait a second, sign with it, remove the old one when its last
    token has expired. Removing a key ends every token that it signed, whatever else the file holds.
    """

    def __init__(self, path: Path) -> None:
        """Read the keys.

        Raises:
            TokenKeysError: there are none.
        """
        super().__init__(f"JWT_JWKS_FILE {path}")
        self._path = path
        self._mark: tuple[int, int, int] | None = None
        self._looked_at = time.monotonic()
        self._reread_at = -math.inf
        self.adopt(self._read())

    def look(self) -> bool:
        """Whether the keys are other ones than at the last look; asks the file at most once per second."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            if self.fault or self._changed():
                with self.reading():
                    self.adopt(self._read())
        return super().look()

    def reread(self) -> bool:
        """As `look`, whatever the file's time says: a token names a key that is not among these.

        Also at most once per second: tokens that name any key at all cost an attacker nothing.
        """
        now = time.monotonic()
        if now - self._reread_at >= LOOK_SECONDS:
            self._looked_at = self._reread_at = now
            with self.reading():
                self.adopt(self._read())
        return super().look()

    def _changed(self) -> bool:
        try:
            return _mark_of(self._path) != self._mark
        except OSError:
            return True

    def _read(self) -> bytes:
        try:
            # Marked before it is read: what is written in between is seen by the next look.
            self._mark = _mark_of(self._path)
            with self._path.open("rb") as file:
                return file.read(MAX_BYTES + 1)
        except OSError as error:
            raise TokenKeysError(f"{self.where} is not a readable file: {error.strerror}.") from error


def _mark_of(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino
