"""Derivation, sealing and tokens: known answers, and what must not open."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st
from rows import every

from identry.core import jose
from identry.core.secrets import (
    RootSecret,
    Sealer,
    SealError,
    WeakSecretError,
    equal,
    new_token,
    root_secret,
    token_hash,
)

ROOT = RootSecret(b"r" * 32)


def test_derivation_is_hkdf_sha256_separated_by_purpose():
    expected = HKDF(hashes.SHA256(), 32, salt=b"identry root secret v1", info=b"mail").derive(b"r" * 32)
    assert ROOT.derive("mail") == expected
    assert ROOT.derive("mail") != ROOT.derive("totp")
    assert RootSecret(b"s" * 32).derive("mail") != expected


def test_a_root_secret_never_shows_itself():
    assert "r" * 8 not in repr(ROOT)
    assert "r" * 8 not in str(ROOT)


@pytest.mark.parametrize("secret", ["short", "x" * 31])
def test_a_short_secret_key_is_refused_with_advice(secret: str):
    with pytest.raises(WeakSecretError, match=r"SECRET_KEY has .* openssl rand"):
        root_secret(secret, "")


def test_without_any_secret_the_message_names_both_variables():
    with pytest.raises(WeakSecretError, match=r"SECRET_KEY .*JWT_SIGNING_KEY_PEM"):
        root_secret("", "  ")


def test_the_root_derived_from_the_signing_key_survives_reformatting_of_its_pem():
    pem = jose.generate_rsa().private_pem()
    one_line = pem.replace("\n", "\\n")
    assert root_secret("", pem).derive("x") == root_secret("", f"\n{one_line}\n").derive("x")
    assert root_secret("", pem).derive("x") != root_secret("k" * 40, pem).derive("x")


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_what_is_sealed_opens_with_the_same_aad_only(plaintext: bytes, aad: bytes):
    sealer = ROOT.sealer("test")
    sealed = sealer.seal(plaintext, aad)
    assert sealer.open(sealed, aad) == plaintext
    with pytest.raises(SealError):
        sealer.open(sealed, aad + b"x")


def test_no_bit_of_a_sealed_value_can_be_changed():
    sealer = Sealer(b"k" * 32, "k1")
    sealed = sealer.seal(b"secret", b"row")
    for index in range(len(sealed)):
        damaged = bytearray(sealed)
        damaged[index] ^= 1
        with pytest.raises(SealError):
            sealer.open(bytes(damaged), b"row")
    for length in range(len(sealed)):
        with pytest.raises(SealError):
            sealer.open(sealed[:length], b"row")


def test_a_moved_boundary_between_key_id_and_aad_does_not_open():
    sealed = Sealer(b"k" * 32, "k1").seal(b"secret", b"row")
    with pytest.raises(SealError):
        Sealer(b"k" * 32, "k1x").open(sealed, b"row")


def test_sealing_the_same_twice_differs():
    sealer = ROOT.sealer("test")
    assert sealer.seal(b"same", b"") != sealer.seal(b"same", b"")


def test_a_new_root_opens_what_the_previous_one_sealed_and_says_that_it_is_old():
    old, new = RootSecret(b"o" * 32), RootSecret(b"n" * 32)
    sealed = old.sealer("totp").seal(b"seed", b"user 1")
    with pytest.raises(SealError, match="SECRET_KEY"):
        new.sealer("totp").open(sealed, b"user 1")
    rotating = new.sealer("totp", old)
    assert rotating.open(sealed, b"user 1") == b"seed"
    assert not rotating.is_current(sealed)
    assert rotating.is_current(rotating.seal(b"seed", b"user 1"))
    with pytest.raises(SealError):
        new.sealer("mail", old).open(sealed, b"user 1")


def test_tokens_are_url_safe_and_hashed_with_sha256():
    token = new_token()
    assert len(token) == 43
    assert token != new_token()
    assert token_hash("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert len(token_hash("\ud800 lone surrogate")) == 32


@every(
    ("a", "b", "same"),
    [
        ("a", "a", True),
        ("a", b"a", True),
        ("ä", "ä", True),
        ("a", "b", False),
        ("", "a", False),
        ("\ud800", "a", False),
    ],
)
def test_comparison_takes_text_and_bytes_of_any_content(a: str, b: str | bytes, same: bool):
    assert equal(a, b) is same
