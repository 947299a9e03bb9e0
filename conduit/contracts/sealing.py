"""Contract: what nobody but its receiver may read in a topic: passwords on their way to auth, tokens back.

A password is sealed by HPKE (RFC 9180, base mode: X25519, HKDF-SHA256, ChaCha20-Poly1305) for auth's public
key, together with a fresh key of the asker's, under which the token in the reply is sealed.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from msgspec import Meta

from kits.patterns import whole

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_ABOUT = b"conduit password 1"
_NONCE_BYTES = 12
_KEY_BYTES = 32

Sealed = Annotated[str, Meta(min_length=1, max_length=4_096, pattern=whole("[A-Za-z0-9_-]*"))]
"""base64url without padding."""


class Secrets(msgspec.Struct, frozen=True):
    """What auth finds in a sealed password; its repr shows nothing."""

    password: str
    reply_key: Annotated[bytes, Meta(min_length=_KEY_BYTES, max_length=_KEY_BYTES)]

    def __repr__(self) -> str:
        return "Secrets(***)"


class UnsealableError(Exception):
    """It was sealed for another key, or changed on its way."""


def fresh_reply_key() -> bytes:
    """A key for one reply."""
    return os.urandom(_KEY_BYTES)


def seal_password(password: str, reply_key: bytes, receiver: X25519PublicKey) -> str:
    """The password for auth alone; the same password looks different each time."""
    plain = msgspec.json.encode(Secrets(password, reply_key))
    return _text(_SUITE.encrypt(plain, receiver, info=_ABOUT))


def open_password(sealed: str, key: X25519PrivateKey) -> Secrets:
    """What was sealed.

    Raises:
        UnsealableError: not for this key, or not by seal_password().
    """
    try:
        return msgspec.json.decode(_SUITE.decrypt(_bytes(sealed), key, info=_ABOUT), type=Secrets)
    except (ValueError, InvalidTag) as error:
        raise UnsealableError("The password was sealed for another key.") from error


def seal_token(token: str, reply_key: bytes) -> str:
    """The token for whoever made the reply key."""
    nonce = os.urandom(_NONCE_BYTES)
    return _text(nonce + ChaCha20Poly1305(reply_key).encrypt(nonce, token.encode(), None))


def open_token(sealed: str, reply_key: bytes) -> str:
    """The token. Raises: UnsealableError."""
    try:
        data = _bytes(sealed)
        return ChaCha20Poly1305(reply_key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], None).decode()
    except (ValueError, InvalidTag) as error:
        raise UnsealableError("The token was sealed under another key.") from error


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
