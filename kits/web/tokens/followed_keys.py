"""The public keys of a set that is read again and again, and what each reading makes of them."""

from collections.abc import Iterator
from contextlib import contextmanager

from kits.observability.logs import get_logger
from kits.web.tokens.key_set import identity_of, read_key_set
from kits.web.tokens.keys import TokenKey, TokenKeysError

log = get_logger(__name__)

_REASON_CHARACTERS = 300


class FollowedKeys:
    """The public keys in use, wherever their set lies (see JwksFile, JwksUrl).

    A removal takes effect whatever else a set holds: of the former keys, those that a readable set no longer
    names are gone, even if the set is refused. A set that is not readable, or names no key at all, is a slip
    and changes nothing. What is wrong is logged once for each reason.
    """

    def __init__(self, where: str) -> None:
        """Args: where: names the set in errors and log lines."""
        self.where = where
        self.keys: tuple[TokenKey, ...] = ()
        self.fault = ""
        """What was wrong with the last reading, without a full stop; empty if nothing was."""
        self._seen: tuple[TokenKey, ...] = ()
        self._named: set[tuple[str, str]] = set()

    @property
    def complaint(self) -> str:
        """One sentence about what is wrong, empty if nothing is."""
        return f"{self.fault}." if self.fault else ""

    def look(self) -> bool:
        """Whether the keys are other ones than at the last look; cheap enough for every token."""
        seen, self._seen = self._seen, self.keys
        return self.keys is not seen

    def reread(self) -> bool:
        """As `look`, for a token that names a key which is not among these."""
        return self.look()

    def adopt(self, content: bytes) -> None:
        """Use what this set holds.

        Raises:
            TokenKeysError: refused: unreadable, no usable key, or a private one. Removals have taken effect.
        """
        found = read_key_set(content, where=self.where)
        self._name_once(found.odd)
        named = {identity_of(key) for key in found.usable}
        try:
            self._replace(found.require_usable(self.where))
        except TokenKeysError:
            if found.usable or found.ignored:
                self._replace(tuple(key for key in self.keys if identity_of(key) in named))
            raise

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Around a block that reads and adopts: a TokenKeysError becomes the fault, other keys are logged."""
        before, fault = self.keys, ""
        try:
            yield
        except TokenKeysError as error:
            fault = str(error)[:_REASON_CHARACTERS].rstrip(".")
        if fault and fault != self.fault:
            action = "let it hold a JSON Web Key Set; former keys stay until then, less removed ones"
            log.warning("token_keys_refused", where=self.where, reason=fault, action=action)
        self.fault = fault
        if self.keys is not before:
            names = [key.key_id or key.algorithm for key in self.keys]
            log.info("token_keys_read", where=self.where, keys=names)

    def _replace(self, keys: tuple[TokenKey, ...]) -> None:
        if {identity_of(key) for key in self.keys} != {identity_of(key) for key in keys}:
            self.keys = keys

    def _name_once(self, odd: list[tuple[str, str]]) -> None:
        action = "none, unless tokens are signed with it: then ask its owner for RS256 or ES256"
        for kid, reason in odd:
            if (kid, reason) not in self._named:
                log.warning("token_key_ignored", where=self.where, kid=kid, reason=reason, action=action)
        # Not more than the set holds now: it is somebody else's, and may change for ever.
        self._named = set(odd)
