"""The arithmetic of second factors: RFC 6238's vectors, drift, replay, the alphabet of recovery codes."""

from __future__ import annotations

import base64
from collections import Counter
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pyotp
from rows import every

from identry.core import recovery_codes, totp
from identry.core.recovery_codes import RecoveryCodes
from identry.core.secrets import RootSecret

RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()


@every(
    ("seconds", "eight_digits"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
    ],
)
def test_codes_are_those_of_rfc_6238(seconds: int, eight_digits: str) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    assert totp.matching_step(RFC_SECRET, eight_digits[2:], moment) == seconds // 30


def test_a_step_that_was_used_matches_no_more() -> None:
    moment = datetime.fromtimestamp(1111111111, UTC)
    step = totp.step_at(moment)
    assert totp.matching_step(RFC_SECRET, "050471", moment, after=step - 1) == step
    assert totp.matching_step(RFC_SECRET, "050471", moment, after=step) is None


@every(("steps", "accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_one_step_of_drift_is_accepted(steps: int, accepted: bool) -> None:
    moment = datetime.fromtimestamp(1234567890, UTC)
    code = pyotp.HOTP(RFC_SECRET).at(totp.step_at(moment) + steps)
    assert (totp.matching_step(RFC_SECRET, code, moment) is not None) is accepted


@every("text", ["", "12345", "1234567", "12345a", "١٢٣٤٥٦", "123456\n", " 12345"])
def test_what_is_no_code_is_not_taken_for_one(text: str) -> None:
    assert not totp.is_code(text)


def test_a_new_secret_has_160_bits_and_its_uri_says_everything() -> None:
    secret = totp.new_secret()
    assert len(base64.b32decode(secret)) == 20
    assert secret != totp.new_secret()
    uri = urlsplit(totp.provisioning_uri(secret, issuer="Identry Test", email="ada@example.com"))
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert uri.path in {"/Identry%20Test:ada%40example.com", "/Identry%20Test:ada@example.com"}
    assert parse_qs(uri.query) == {
        "secret": [secret],
        "issuer": ["Identry Test"],
        "algorithm": ["SHA1"],
        "digits": ["6"],
        "period": ["30"],
    }


def test_recovery_codes_are_ten_of_fifty_bits_with_selectors_of_their_own() -> None:
    codes, user_id = RecoveryCodes(RootSecret(b"k" * 32)), uuid4()
    made = codes.new(user_id)
    assert len(made) == len(set(made.values())) == 10
    for selector, code in made.items():
        assert recovery_codes.canonical(code) == code
        assert codes.selector(user_id, code) == selector
        assert len(recovery_codes.shown(code)) == 11
    letters = Counter(letter for _ in range(200) for letter in "".join(codes.new(user_id).values()))
    assert set(letters) == set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


def test_a_selector_depends_on_user_and_key() -> None:
    user_id, code = uuid4(), "ABCDE12345"
    codes, others = RecoveryCodes(RootSecret(b"k" * 32)), RecoveryCodes(RootSecret(b"o" * 32))
    assert len({codes.selector(uuid4(), code) for _ in range(64)}) > 16
    assert len({(c.selector(user_id, f"ABCDE{i:05}")) for c in (codes, others) for i in range(64)}) > 32


@every(
    ("typed", "canonical"),
    [
        ("ABCDE12345", "ABCDE12345"),
        ("abcde12345", "ABCDE12345"),
        ("ilo0000000", "1100000000"),
        ("ILO0000000", "1100000000"),
        ("UUUUUUUUUU", None),
        ("ABCDE1234", None),
        ("ABCDE123456", None),
        ("ABCDE1234é", None),
        ("ſſſſſſſſſſ", "SSSSSSSSSS"),
        ("", None),
    ],
)
def test_misread_letters_are_forgiven(typed: str, canonical: str | None) -> None:
    assert recovery_codes.canonical(typed) == canonical
