"""Verification and hashing: our parameters, other parameters, other systems' hashes, and rubbish."""

from __future__ import annotations

import base64
import hashlib

import argon2
import bcrypt
import pytest
from rows import every
from structlog.testing import capture_logs

from identry.core.passwords import Argon2Params, Passwords, argon

PASSWORD = "correct horse battery"
CHEAP = Argon2Params(time=1, memory=32, threads=4)
CHEAP_ONE_LANE = Argon2Params(time=1, memory=8, threads=1)


@pytest.fixture(params=[CHEAP, CHEAP_ONE_LANE], ids=["4 lanes", "1 lane"])
async def passwords(request: pytest.FixtureRequest):
    made = Passwords(request.param, threads=2, queue=64)
    yield made
    await made.close()


async def test_a_hash_verifies_its_own_password_only(passwords: Passwords):
    stored = await passwords.hash(PASSWORD)
    assert stored.startswith("$argon2id$v=19$m=")
    assert stored != await passwords.hash(PASSWORD)
    verdict = await passwords.verify(PASSWORD, stored)
    assert verdict.ok
    assert not verdict.needs_rehash
    for wrong in ("", PASSWORD + " ", " " + PASSWORD, PASSWORD.upper(), PASSWORD[:-1], PASSWORD + "\0"):
        verdict = await passwords.verify(wrong, stored)
        assert not verdict.ok
        assert not verdict.needs_rehash


@pytest.mark.parametrize(
    "password", [" lead and trail ", "pässwörd ß", "pa\0ss\0word", "e\u0301", "😀" * 64, "x" * 256]
)
async def test_a_password_is_verified_exactly_as_received(passwords: Passwords, password: str):
    stored = await passwords.hash(password)
    assert (await passwords.verify(password, stored)).ok
    assert not (await passwords.verify(password.strip()[:-1], stored)).ok


async def test_unicode_is_not_normalised(passwords: Passwords):
    assert not (await passwords.verify("\u00e9" * 8, await passwords.hash("e\u0301" * 8))).ok


async def test_both_libraries_read_what_either_makes(passwords: Passwords):
    ours = await passwords.hash(PASSWORD)
    assert argon2.PasswordHasher().verify(ours, PASSWORD)
    theirs = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=2).hash(PASSWORD)
    verdict = await passwords.verify(PASSWORD, theirs)
    assert verdict.ok
    assert verdict.needs_rehash


@every(
    "params",
    [Argon2Params(2, 32, 4), Argon2Params(1, 64, 4), Argon2Params(1, 32, 2), Argon2Params(1, 32, 4, 16)],
    ids=["time", "memory", "lanes", "key length"],
)
async def test_other_parameters_ask_for_a_rehash(params: Argon2Params):
    before, after = Passwords(params, 1, 4), Passwords(CHEAP, 1, 4)
    verdict = await after.verify(PASSWORD, await before.hash(PASSWORD))
    assert verdict.ok
    assert verdict.needs_rehash
    await before.close()
    await after.close()


OTHER_ARGON2 = {
    "argon2i": argon2.low_level.hash_secret(PASSWORD.encode(), b"s" * 16, 3, 64, 1, 32, argon2.Type.I),
    "argon2d": argon2.low_level.hash_secret(PASSWORD.encode(), b"s" * 16, 1, 64, 2, 32, argon2.Type.D),
    "version 1.0": argon2.low_level.hash_secret(PASSWORD.encode(), b"s" * 16, 1, 64, 2, 32, argon2.Type.ID, 0x10),
    "long digest": argon2.low_level.hash_secret(PASSWORD.encode(), b"s" * 64, 1, 64, 2, 64, argon2.Type.ID),
    "short digest": argon2.low_level.hash_secret(PASSWORD.encode(), b"s" * 8, 1, 64, 2, 12, argon2.Type.ID),
}


@pytest.mark.parametrize("stored", OTHER_ARGON2.values(), ids=OTHER_ARGON2)
async def test_argon2_hashes_that_libsodium_does_not_read_verify_too(passwords: Passwords, stored: bytes):
    verdict = await passwords.verify(PASSWORD, stored.decode())
    assert verdict.ok
    assert verdict.needs_rehash
    assert not (await passwords.verify("wrong", stored.decode())).ok


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def ab64(raw: bytes) -> str:
    return b64(raw).rstrip("=").replace("+", ".")


SALT = b"0123456789abcdef"
SECRET = PASSWORD.encode()
SCRYPT_32 = hashlib.scrypt(SECRET, salt=SALT, n=16, r=8, p=1, dklen=32)
SCRYPT_64 = hashlib.scrypt(SECRET, salt=SALT, n=16, r=8, p=2, dklen=64)
PBKDF2 = hashlib.pbkdf2_hmac("sha256", SECRET, SALT, 1000)
BCRYPT = bcrypt.hashpw(SECRET, bcrypt.gensalt(4)).decode()
BCRYPT_SHA256 = bcrypt.hashpw(hashlib.sha256(SECRET).hexdigest().encode(), bcrypt.gensalt(4)).decode()
FOREIGN = {
    "bcrypt 2b": BCRYPT,
    "bcrypt 2a": BCRYPT.replace("$2b$", "$2a$"),
    "bcrypt 2y": BCRYPT.replace("$2b$", "$2y$"),
    "bcrypt django": f"bcrypt${BCRYPT}",
    "bcrypt_sha256 django": f"bcrypt_sha256${BCRYPT_SHA256}",
    "pbkdf2 django": f"pbkdf2_sha256$1000${SALT.decode()}${b64(PBKDF2)}",
    "pbkdf2 passlib": f"$pbkdf2-sha256$1000${ab64(SALT)}${ab64(PBKDF2)}",
    "scrypt django": f"scrypt$16${SALT.decode()}$8$2${b64(SCRYPT_64)}",
    "scrypt passlib": f"$scrypt$ln=4,r=8,p=1${b64(SALT).rstrip('=')}${b64(SCRYPT_32).rstrip('=')}",
}


@pytest.mark.parametrize("stored", FOREIGN.values(), ids=FOREIGN)
async def test_a_foreign_hash_verifies_once_and_asks_for_a_rehash(passwords: Passwords, stored: str):
    verdict = await passwords.verify(PASSWORD, stored)
    assert verdict.ok
    assert verdict.needs_rehash
    for wrong in (PASSWORD + "x", "", "wrong"):
        assert not (await passwords.verify(wrong, stored)).ok


KNOWN_ANSWERS = {
    # Vectors that others published: crypt_blowfish, passlib's documentation, RFC 7914 §12.
    "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW": "U*U",
    "$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44": "password",
    "$scrypt$ln=4,r=1,p=1$$d9ZXYjhleyA7GcpCwYoEl/FrSETjB0ro39/6P+3iFEI": "",
}


@pytest.mark.parametrize(("stored", "password"), KNOWN_ANSWERS.items())
async def test_published_vectors_verify(passwords: Passwords, stored: str, password: str):
    assert (await passwords.verify(password, stored)).ok


async def test_bcrypt_reads_the_first_72_bytes_as_old_systems_did(passwords: Passwords):
    stored = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    assert (await passwords.verify("x" * 72, stored)).ok
    assert (await passwords.verify("x" * 100, stored)).ok
    assert not (await passwords.verify("x" * 71, stored)).ok


PARAMS = "m=32,t=1,p=4"
DIGEST = "A" * 43
MALFORMED = [
    "",
    "!",
    PASSWORD,
    "$argon2id$",
    f"$argon2id$v=19${PARAMS}$c2FsdHNhbHRzYWx0$",
    f"$argon2id$v=19$m=32,t=1$c2FsdHNhbHRzYWx0${DIGEST}",
    f"$argon2id$v=19$m=-1,t=1,p=4$c2FsdHNhbHRzYWx0${DIGEST}",
    f"$argon2id$v=19$m=4294967295,t=4294967295,p=1$c2FsdHNhbHRzYWx0${DIGEST}",
    f"$argon2id$v=19$m=1048576,t=1000,p=1$c2FsdHNhbHRzYWx0${DIGEST}",
    f"$argon2id$v=19$m=32,t=0,p=4$c2FsdHNhbHRzYWx0${DIGEST}",
    f"$argon2id$v=19$m=8,t=1,p=4$c2FsdHNhbHRzYWx0${DIGEST}",
    f"$argon2id$v=99${PARAMS}$c2FsdHNhbHRzYWx0${DIGEST}",
    f"$argon2id$v=19${PARAMS}$c2FsdHNhbHRzYWx0${DIGEST}\n",
    f"$argon2id$v=19${PARAMS}$c2FsdHNhbHRzYWx0${DIGEST}\0",
    f"$argon2id$v=19${PARAMS}$c2Fsd==zYWx0${DIGEST}",
    f"$argon2id$v=١٩${PARAMS}$c2FsdHNhbHRzYWx0${DIGEST}",
    "$argon2id$" + "A" * 100_000,
    "$2b$31$" + "A" * 53,
    "$2b$00$" + "A" * 53,
    "$2b$04$short",
    "$2x$04$" + "A" * 53,
    f"pbkdf2_sha256$99999999$salt${b64(PBKDF2)}",
    f"pbkdf2_sha256$0$salt${b64(PBKDF2)}",
    "pbkdf2_sha256$1000$salt$" + "A" * 17,
    f"scrypt$15$salt$8$1${b64(SCRYPT_64)}",
    f"scrypt$1048576$salt$64$64${b64(SCRYPT_64)}",
    f"$scrypt$ln=40,r=8,p=1$c2FsdA${b64(SCRYPT_32).rstrip('=')}",
    f"$scrypt$ln=4,r=0,p=1$c2FsdA${b64(SCRYPT_32).rstrip('=')}",
    "\ud800",
    "$1$salt$md5crypt",
]


@pytest.mark.parametrize("stored", MALFORMED, ids=range(len(MALFORMED)))
async def test_a_malformed_hash_is_a_wrong_password_and_is_not_logged(passwords: Passwords, stored: str):
    with capture_logs() as lines:
        verdict = await passwords.verify(PASSWORD, stored)
    assert not verdict.ok
    assert [line for line in lines if "malformed" in line["event"]]
    assert PASSWORD not in str(lines)
    assert "c2FsdHNhbHRzYWx0" not in str(lines)
    assert passwords.stats.finished == 1, "the dummy costs what a real one costs"


async def test_without_a_hash_the_same_work_is_done_and_the_answer_is_no(passwords: Passwords):
    assert not (await passwords.verify(PASSWORD, None)).ok
    assert passwords.stats.finished == 1
    assert passwords._dummy.params == (passwords.params.memory, passwords.params.time, passwords.params.threads)
    assert passwords._dummy.has(passwords.params)
    assert argon.dummy_hash(passwords.params).text != passwords._dummy.text


@pytest.mark.parametrize("password", ["x" * 257, "x" * 10_000_000, "\ud800" * 8])
async def test_an_overlong_or_unencodable_password_is_wrong_before_any_work(passwords: Passwords, password: str):
    assert not (await passwords.verify(password, await passwords.hash(PASSWORD))).ok
    assert not (await passwords.verify(password, None)).ok
    assert passwords.stats.finished == 1
    with pytest.raises(ValueError, match="too long or not valid"):
        await passwords.hash(password)


@every(
    ("params", "name"),
    [
        ({"time": 0}, "ARGON2_TIME"),
        ({"time": 10_000}, "ARGON2_TIME"),
        ({"memory": 31, "threads": 4}, "ARGON2_MEMORY"),
        ({"memory": 1 << 21}, "ARGON2_MEMORY"),
        ({"threads": 0}, "ARGON2_THREADS"),
        ({"threads": 65}, "ARGON2_THREADS"),
        ({"key_length": 8}, "ARGON2_KEYLEN"),
    ],
)
def test_parameters_out_of_bounds_name_their_variable(params: dict[str, int], name: str):
    with pytest.raises(ValueError, match=name):
        Argon2Params(**params)
