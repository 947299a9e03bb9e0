"""A file of public keys that may be replaced while the process runs: keys rotate without a restart."""

import math
import time
from collections.abc import Callable
from pathlib import Path

from kits.observability.logs import get_logger
from kits.web.tokens.followed_keys import FollowedKeys
from kits.web.tokens.key_set import MAX_BYTES
from kits.web.tokens.keys import TokenKey, TokenKeysError

log = get_logger(__name__)

LOOK_SECONDS = 1.0

_Mark = tuple[int, int, int]


class JwksFile:
    """The keys of a JSON Web Key Set file, followed without a thread: whoever uses the keys looks first.

    A look costs one `stat` at most once per second, and one read more if the file was changed. A file that
    can't be read, or is no key set, changes nothing: the former keys stay, and the log says so once for each
    reason. To rotate: add the new key, wait a second, sign with it, remove the old one when its last token
    has expired. Removing a key ends every token that it signed, whatever else the file holds.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the keys.

        Raises:
            TokenKeysError: there are none.
        """
        self._path = path
        self._clock = clock
        self._mark: _Mark | None = None
        self._looked_at = clock()
        self._reread_at = -math.inf
        self._where = f"JWT_JWKS_FILE {path}"
        self._followed = FollowedKeys(self._where)
        self.complaint = ""
        self._followed.adopt(self._read())

    @property
    def keys(self) -> tuple[TokenKey, ...]:
        """Those of the last look."""
        return self._followed.keys

    def look(self) -> bool:
        """Whether the keys are other ones than before; asks the file at most once per second."""
        now = self._clock()
        if now - self._looked_at < LOOK_SECONDS:
            return False
        self._looked_at = now
        try:
            changed = self.complaint or _mark_of(self._path) != self._mark
        except OSError:
            changed = True
        return self._replace() if changed else False

    def reread(self) -> bool:
        """As `look`, whatever the file's time says: a token names a key that is not among these.

        Also at most once per second: tokens that name any key at all cost an attacker nothing.
        """
        now = self._clock()
        if now - self._reread_at < LOOK_SECONDS:
            return False
        self._looked_at = self._reread_at = now
        return self._replace()

    def _replace(self) -> bool:
        before = self.keys
        try:
            self._followed.adopt(self._read())
        except TokenKeysError as error:
            if str(error) != self.complaint:
                self.complaint = str(error)
                log.warning(
                    "key_file_refused",
                    file=str(self._path),
                    reason=self.complaint,
                    action="write a JSON Web Key Set there; former keys stay until then, less removed ones",
                )
        else:
            self.complaint = ""
        if self.keys is before:
            return False
        log.info("key_file_read", file=str(self._path), keys=self._followed.names())
        return True

    def _read(self) -> bytes:
        try:
            # Marked before it is read: what is written in between is seen by the next look.
            self._mark = _mark_of(self._path)
            with self._path.open("rb") as file:
                return file.read(MAX_BYTES + 1)
        except OSError as error:
            raise TokenKeysError(f"{self._where} is not a readable file: {error.strerror}.") from error


def _mark_of(path: Path) -> _Mark:
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino
