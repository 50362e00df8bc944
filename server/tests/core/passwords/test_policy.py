"""Which new passwords are accepted."""

# ruff: noqa: SIM905 - words in running text are what a person can read and extend

from __future__ import annotations

from importlib import resources

import pytest
from rows import every

from identry.core.passwords import check_policy


def rules(password: str, email: str = "", min_length: int = 8) -> list[str]:
    return [fault.rule for fault in check_policy(password, email, min_length)]


@every(
    "password",
    [
        "correct horse battery",
        "Tr0ub4dor&3",
        "        x",
        "пример фразы",
        "日本語のパスワード",
        "x7$kQ9!z",
        "p" * 7 + "q" * 249,
    ],
)
def test_no_composition_is_asked_for(password: str):
    assert rules(password, "ada@example.com") == []


@every(
    "password",
    """
    password Password1 PASSWORD123 P@ssw0rd passw0rd! qwertyuiop Qwerty123 1q2w3e4r 1qaz2wsx zaq12wsx 12345678
    87654321 123456789 1234567890 11111111 aaaaaaaa abcabcabc 12121212 abcdefgh iloveyou letmein1 trustno1 welcome1
    admin123
    Summer2024! Winter2025 changeme football1 baseball superman starwars princess1 sunshine michael1 jennifer liverpoo
    elizabet asdfghjkl zxcvbnm123 q1w2e3r4 password1! administrator rootroot ghbdtnbr ekaterina 11223344 69696969
    пароль123 наташа123""".split(),
)
def test_well_known_passwords_are_refused_in_any_case(password: str):
    assert rules(password) == ["common"]
    assert rules(password.upper()) == ["common"]


def test_length_counts_characters_not_bytes():
    assert rules("äöüß€😀x") == ["min_length"]
    assert rules("äöüß€😀xy") == []
    assert rules("ä€😀k" * 64) in ([], ["common"])
    assert rules("ab" + "😀" * 254) == []
    assert rules("ab" + "😀" * 255) == ["max_length"]
    assert rules("x7$kQ9!z", min_length=15) == ["min_length"]


def test_all_faults_come_at_once_with_clear_words():
    faults = check_policy("ada", "ada@example.com", 8)
    assert [(fault.rule, fault.message) for fault in faults] == [
        ("min_length", "must have at least 8 characters"),
        ("email", "must not be the email address or the part before its @"),
    ]


@pytest.mark.parametrize("password", ["Ada.Lovelace", "ada.lovelace@example.com", "ADA.LOVELACE@EXAMPLE.COM"])
def test_the_address_is_no_password(password: str):
    assert rules(password, " Ada.Lovelace@Example.com ") == ["email"]


def test_text_that_cannot_be_encoded_is_refused():
    assert rules("\ud800" * 10) == ["encoding"]


@every("password", ["", "\n", "#! Common passwords", "password\nqwerty12", "a\0b"])
def test_odd_input_is_no_list_entry(password: str):
    assert "common" not in rules(password)


def test_the_bundled_list_is_large_sorted_folded_and_long_enough():
    text = resources.files("identry.core.passwords").joinpath("common.txt").read_text("utf-8")
    header, *entries = text.splitlines()
    assert header.startswith("#!")
    assert len(entries) >= 3000
    assert entries == sorted(set(entries))
    assert all(len(entry) >= 8 and entry == entry.casefold() for entry in entries)
