"""The keys of a set that is read again and again, and what each reading makes of them."""

from kits.observability.logs import get_logger
from kits.web.tokens.key_set import identity_of, read_key_set
from kits.web.tokens.keys import TokenKey, TokenKeysError

log = get_logger(__name__)


class FollowedKeys:
    """The public keys in use.

    A removal takes effect whatever else a set holds: of the former keys, those that a readable set no longer
    names are gone, even if the set is refused. A set that is not readable, or names no key at all, is a slip
    and changes nothing.
    """

    def __init__(self, where: str) -> None:
        """Args: where: names the set in errors and log lines."""
        self.keys: tuple[TokenKey, ...] = ()
        self._where = where
        self._named: set[tuple[str, str]] = set()

    def adopt(self, content: bytes) -> bool:
        """Use what this set holds; whether the keys are other ones now.

        Raises:
            TokenKeysError: refused: unreadable, no usable key, or a private one. Removals have taken effect.
        """
        found = read_key_set(content, where=self._where)
        self._name_once(found.ignored)
        named = {identity_of(key) for key in found.usable}
        try:
            keys = found.require_usable(self._where)
        except TokenKeysError:
            if not found.empty:
                self._replace(tuple(key for key in self.keys if identity_of(key) in named))
            raise
        return self._replace(keys)

    def drop(self) -> bool:
        """Use no key any more; whether there was one."""
        return self._replace(())

    def names(self) -> list[str]:
        """What the keys are called in log lines."""
        return [key.key_id or key.algorithm for key in self.keys]

    def _replace(self, keys: tuple[TokenKey, ...]) -> bool:
        before = {identity_of(key) for key in self.keys}
        if before == {identity_of(key) for key in keys}:
            return False
        self.keys = keys
        return True

    def _name_once(self, ignored: list[tuple[str, str]]) -> None:
        for kid, reason in ignored:
            if (kid, reason) not in self._named:
                log.warning(
                    "token_key_ignored",
                    where=self._where,
                    kid=kid,
                    reason=reason,
                    action="none, unless tokens are signed with it: then ask its owner for RS256 or ES256",
                )
        # Not more than the set holds now: it is somebody else's, and may change for ever.
        self._named = set(ignored)
