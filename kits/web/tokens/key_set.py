"""Reads a JSON Web Key Set (RFC 7517) that somebody else writes: uses what it can, and names the rest."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from kits.web.tokens.keys import TokenKey, TokenKeysError

MINIMUM_RSA_BITS = 2048
MAXIMUM_RSA_BITS = 16_384
MOST_OF_ONE_NAME = 4
"""Keys of one algorithm and `kid`: each of them is tried for a token, so there must be few."""
MAX_BYTES = 1024 * 1024
_LONGEST_NAME = 100
_NOT_PUBLIC = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "priv"})
_BROKEN = "it is no readable JSON Web Key"
_ENCRYPTS = "it is for encryption (`use`)"

KeyIdentity = tuple[str, str | None, object]


class _Set(msgspec.Struct):
    keys: list[msgspec.Raw]


class _Jwk(msgspec.Struct):
    kty: str
    kid: str | None = None
    use: str = "sig"
    key_ops: tuple[str, ...] = ("verify",)
    alg: str | None = None
    crv: str = ""
    n: str = ""
    e: str = ""
    x: str = ""
    y: str = ""


class _UnusableError(Exception):
    """Why one key is not used."""


@dataclass(slots=True)
class KeySet:
    """What a readable key set holds."""

    usable: list[TokenKey] = field(default_factory=list)
    ignored: list[tuple[str, str]] = field(default_factory=list)
    """The `kid` (or the place) and the reason of each key that is not used."""

    private: bool = False
    """A key of it could sign."""

    @property
    def odd(self) -> list[tuple[str, str]]:
        """Those of `ignored` that may be meant for signatures: not the ones that say to be for encryption."""
        return [each for each in self.ignored if each[1] != _ENCRYPTS]

    def require_usable(self, where: str) -> tuple[TokenKey, ...]:
        """The keys that verify; `where` names the set in errors.

        Raises:
            TokenKeysError: there is none, or a private key lies among them.
        """
        if self.private:
            raise TokenKeysError(f"{where} holds a private key: give this service the public keys alone.")
        if not self.usable:
            reasons = "; ".join(sorted({reason for _, reason in self.ignored})) or "it is empty"
            raise TokenKeysError(f"{where} has no key that verifies RS256 or ES256: {reasons}.")
        return tuple(self.usable)


def read_key_set(content: bytes, *, where: str) -> KeySet:
    """The keys of a set, by their use for signatures; `where` names it in errors.

    A key is used if it is RSA (2048 to 16,384 bits) or EC on P-256, and neither its `alg`, its `use` nor its
    `key_ops` says that it is for something else. Others are ignored (RFC 7517, 5).

    Raises:
        TokenKeysError: this is no key set at all, or one of more than 1 MiB.
    """
    if len(content) > MAX_BYTES:
        raise TokenKeysError(f"{where} is larger than {MAX_BYTES} bytes.")
    try:
        entries = msgspec.json.decode(content, type=_Set).keys
    except (ValueError, RecursionError) as error:
        raise TokenKeysError(f"{where} is not a readable JSON Web Key Set: {error}.") from error
    found = KeySet()
    for number, entry in enumerate(entries, start=1):
        name, key = f"(number {number})", None
        try:
            members = msgspec.json.decode(entry, type=dict[str, Any])
            found.private = found.private or not _NOT_PUBLIC.isdisjoint(members)
            if isinstance(members.get("kid"), str):
                name = members["kid"][:_LONGEST_NAME]
            key = _usable_key(msgspec.convert(members, _Jwk))
            _require_few(found.usable, key)
        except (ValueError, RecursionError):
            found.ignored.append((name, _BROKEN))
        except _UnusableError as reason:
            found.ignored.append((name, str(reason)))
        else:
            found.usable.append(key)
    return found


def identity_of(key: TokenKey) -> KeyIdentity:
    """What two readings of one key have in common."""
    return key.algorithm, key.key_id, key.key.public_numbers()


def _require_few(keys: list[TokenKey], key: TokenKey) -> None:
    same = [one for one in keys if (one.algorithm, one.key_id) == (key.algorithm, key.key_id)]
    if any(identity_of(one) == identity_of(key) for one in same):
        raise _UnusableError("it stands there twice")
    if len(same) >= MOST_OF_ONE_NAME:
        raise _UnusableError(f"{MOST_OF_ONE_NAME} others have its `kid`")


def _usable_key(key: _Jwk) -> TokenKey:
    if key.use == "enc":
        raise _UnusableError(_ENCRYPTS)
    if key.kty not in {"RSA", "EC"}:
        raise _UnusableError("its `kty` is neither RSA nor EC")
    if key.use != "sig":
        raise _UnusableError("its `use` is not sig")
    if "verify" not in key.key_ops:
        raise _UnusableError("its `key_ops` have no verify")
    if key.kty == "EC" and key.crv != "P-256":
        raise _UnusableError("its `crv` is not P-256")
    algorithm = "RS256" if key.kty == "RSA" else "ES256"
    if key.alg not in {None, algorithm}:
        raise _UnusableError(f"its `alg` is not {algorithm}, the only one for its `kty` here")
    return TokenKey(algorithm, _public_key(key), key.kid)


def _public_key(key: _Jwk) -> Any:
    try:
        if key.kty == "EC":
            return ECAlgorithm.from_jwk({"kty": "EC", "crv": key.crv, "x": key.x, "y": key.y})
        public: Any = RSAAlgorithm.from_jwk({"kty": "RSA", "n": key.n, "e": key.e})
    except Exception as error:
        # Whatever two libraries say about numbers that are no key.
        raise _UnusableError(_BROKEN) from error
    if not MINIMUM_RSA_BITS <= public.key_size <= MAXIMUM_RSA_BITS:
        raise _UnusableError(f"it has not {MINIMUM_RSA_BITS} to {MAXIMUM_RSA_BITS} bits")
    return public
