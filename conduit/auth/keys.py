"""Keys of auth: what signs tokens and opens passwords, in a file; their public parts go to the gateway."""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from conduit.contracts.sealing import Secrets, UnsealableError, open_password
from conduit.contracts.tokens import AUDIENCE, ISSUER
from kits.settings import SettingsError
from kits.web.tokens.keys import TokenKeysError
from kits.web.tokens.signing import TokenSigner, new_signing_key, thumbprint

PRIVATE_FILE = "auth.json"
PUBLIC_FILE = "gateway.json"
_VARIABLE = "CONDUIT_AUTH_KEYS_FILE"
_MAX_BYTES = 1024 * 1024

Jwk = Mapping[str, Any]


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


class AuthKeys:
    """The first key for signatures signs; passwords may be sealed for any. No repr shows one."""

    def __init__(self, path: Path, *, token_seconds: int) -> None:
        """Read the file.

        Raises:
            SettingsError: it is not readable, or lacks a private key for one of the two uses.
        """
        keys = _read(path)
        self._signer = _signer(_first(keys, "sig", path), path, token_seconds)
        _first(keys, "enc", path)
        self._opening = [_opening_key(each, path) for each in keys if each.get("use") == "enc"]

    def issue(self, subject: str) -> str:
        """See Keyring: it is good for `token_seconds` from now on."""
        return self._signer.issue(subject)

    def open(self, sealed: str) -> Secrets:
        """See Keyring."""
        for key in self._opening:
            try:
                return open_password(sealed, key)
            except UnsealableError:
                continue
        raise UnsealableError("The password was sealed for another key.")


def key_files(folder: Path) -> tuple[Path, Path]:
    """Where the private keys are in it, and their public parts."""
    return folder / PRIVATE_FILE, folder / PUBLIC_FILE


def write_keys(folder: Path) -> None:
    """Make new keys: the private ones, for their owner alone to read, and their public parts for everybody.

    Raises:
        FileExistsError: one of the two files is there; nothing was written.
        OSError: it cannot be written.
    """
    private_file, public_file = key_files(folder)
    for path, other in ((private_file, public_file), (public_file, private_file)):
        if path.exists():
            action = f"put {other.name} back beside it, or move it away for new keys, which end every token"
            raise FileExistsError(f"{path} is there, and keys are never overwritten: {action}.")
    keys = [new_signing_key(), _new_opening_key()]
    public = [{name: value for name, value in key.items() if name != "d"} for key in keys]
    folder.mkdir(parents=True, exist_ok=True)
    _write(private_file, keys, 0o600)
    _write(public_file, public, 0o644)


def _write(path: Path, keys: Sequence[Jwk], mode: int) -> None:
    text = msgspec.json.format(msgspec.json.encode({"keys": keys}), indent=2)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(text + b"\n")


def _new_opening_key() -> dict[str, str]:
    key = X25519PrivateKey.generate()
    made = {
        "kty": "OKP",
        "crv": "X25519",
        "x": _text(key.public_key().public_bytes_raw()),
        "d": _text(key.private_bytes_raw()),
    }
    return {**made, "kid": thumbprint(made, "crv", "kty", "x"), "use": "enc"}


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(_MAX_BYTES), type=_KeySet).keys
    except OSError as error:
        raise SettingsError([f"{_VARIABLE}: {path} is not readable ({error.strerror})."]) from error
    except (ValueError, RecursionError):
        # The library's words might show a piece of a key.
        raise SettingsError([f"{_VARIABLE}: {path} is no JSON Web Key Set."]) from None


def _first(keys: Sequence[Jwk], use: str, path: Path) -> Jwk:
    for key in keys:
        if key.get("use") == use:
            return key
    raise SettingsError([f"{_VARIABLE}: {path} has no key whose `use` is {use}."])


def _signer(jwk: Jwk, path: Path, token_seconds: int) -> TokenSigner:
    try:
        return TokenSigner(jwk, issuer=ISSUER, audience=AUDIENCE, lifetime_seconds=token_seconds)
    except TokenKeysError as error:
        raise SettingsError([f"{_VARIABLE}: {path}: {error}"]) from error


def _opening_key(jwk: Jwk, path: Path) -> X25519PrivateKey:
    try:
        if (jwk["kty"], jwk["crv"]) == ("OKP", "X25519"):
            return X25519PrivateKey.from_private_bytes(_bytes(jwk["d"]))
    except (KeyError, TypeError, ValueError):
        pass
    raise SettingsError([f"{_VARIABLE}: a key of {path} whose `use` is enc is no private X25519 key."])


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
