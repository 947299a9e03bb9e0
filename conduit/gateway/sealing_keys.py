"""Sealing key: auth's public key for passwords, from the same file as the keys that verify tokens."""

from base64 import urlsafe_b64decode
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from kits.observability.logs import get_logger
from kits.observability.repeats import Repeats
from kits.web.tokens.keys import TokenKeysError

log = get_logger(__name__)
_MAX_BYTES = 1024 * 1024


class _Key(msgspec.Struct):
    kty: str = ""
    use: str = ""
    crv: str = ""
    x: str = ""


class _KeySet(msgspec.Struct):
    keys: list[_Key]


class SealingKey:
    """The first X25519 key for encryption (`use` enc) in a JSON Web Key Set file, read when it changes."""

    def __init__(self, path: Path) -> None:
        """Read it.

        Raises:
            TokenKeysError: there is none.
        """
        self._path = path
        self._repeats = Repeats(every_seconds=60.0)
        self._mark = _mark_of(path)
        self._key = _read(path)

    def current(self) -> X25519PublicKey:
        """The key; the former one while the file is not readable."""
        try:
            mark = _mark_of(self._path)
            if mark != self._mark:
                self._mark = mark
                self._key = _read(self._path)
        except TokenKeysError as error:
            if self._repeats.due(str(error)):
                action = (
                    "let the file hold an X25519 key whose `use` is enc; the former one is used until then"
                )
                log.warning("sealing_key_not_read", reason=str(error), action=action)
        return self._key


def _mark_of(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise TokenKeysError(f"{path} is not a readable file: {error.strerror}.") from error
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path) -> X25519PublicKey:
    try:
        with path.open("rb") as file:
            found = msgspec.json.decode(file.read(_MAX_BYTES), type=_KeySet).keys
        key = next(key for key in found if (key.kty, key.use, key.crv) == ("OKP", "enc", "X25519"))
        return X25519PublicKey.from_public_bytes(urlsafe_b64decode(key.x + "=" * (-len(key.x) % 4)))
    except StopIteration:
        raise TokenKeysError(f"{path} has no X25519 key whose `use` is enc.") from None
    except (OSError, ValueError) as error:
        raise TokenKeysError(f"{path} is not a readable JSON Web Key Set: {error}.") from error
