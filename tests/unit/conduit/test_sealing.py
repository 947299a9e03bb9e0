"""Sealing: what is sealed is found again by its receiver, and by nobody else."""

from base64 import urlsafe_b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from hypothesis import given
from hypothesis import strategies as st

from conduit.contracts.refusals import refusal
from conduit.contracts.sealing import (
    Secrets,
    UnsealableError,
    fresh_reply_key,
    open_password,
    open_token,
    seal_password,
    seal_token,
)

KEY, OTHER = X25519PrivateKey.generate(), X25519PrivateKey.generate()
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(TEXTS)
def test_a_password_is_found_again_by_its_receiver_alone(password: str) -> None:
    """With the key for the reply; the same password never looks the same."""
    reply_key = fresh_reply_key()
    sealed = seal_password(password, reply_key, KEY.public_key())
    assert open_password(sealed, KEY) == Secrets(password, reply_key)
    assert seal_password(password, reply_key, KEY.public_key()) != sealed
    with pytest.raises(UnsealableError):
        open_password(sealed, OTHER)


@given(st.text(st.characters(codec="ascii"), max_size=500))
def test_a_token_is_found_again_under_its_reply_key_alone(token: str) -> None:
    """A fresh one for each request."""
    reply_key = fresh_reply_key()
    sealed = seal_token(token, reply_key)
    assert open_token(sealed, reply_key) == token
    with pytest.raises(UnsealableError):
        open_token(sealed, fresh_reply_key())


@given(st.text("AZaz09-_", max_size=400), st.integers(0, 200), st.sampled_from("Az0-"))
def test_whatever_is_changed_or_made_up_is_refused(made_up: str, place: int, letter: str) -> None:
    """By one error, whatever the bytes are."""
    with pytest.raises(UnsealableError):
        open_password(made_up, KEY)
    with pytest.raises(UnsealableError):
        open_token(made_up, fresh_reply_key())
    sealed = seal_password("correct horse", fresh_reply_key(), KEY.public_key())
    at = place % (len(sealed) - 1)
    if sealed[at] != letter:
        with pytest.raises(UnsealableError):
            open_password(sealed[:at] + letter + sealed[at + 1 :], KEY)


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"[]",
        b'{"password":"x"}',
        b'{"password":"x","reply_key":"AAAA"}',
        b'{"password":1,"reply_key":""}',
    ],
)
def test_what_was_sealed_by_somebody_else_in_another_form_is_refused(plain: bytes) -> None:
    """Also a reply key of another length, under which no token could be sealed."""
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    sealed = suite.encrypt(plain, KEY.public_key(), info=b"conduit password 1")
    with pytest.raises(UnsealableError):
        open_password(urlsafe_b64encode(sealed).decode().rstrip("="), KEY)


@pytest.mark.parametrize(
    ("field", "words", "code"),
    [
        ("article", "not found", "article_not_found"),
        ("title", "can't be blank", "title_cant_be_blank"),
        (
            "password",
            "is too short (minimum is 8)",
            "password_is_too_short_minimum_is_8",
        ),
    ],
)
def test_the_code_of_a_refusal_is_snake_case_whatever_its_words(field: str, words: str, code: str) -> None:
    """Letters, digits and underscores."""
    refused = refusal(422, field, words)
    assert (refused.code, refused.path, refused.detail) == (code, field, words)
