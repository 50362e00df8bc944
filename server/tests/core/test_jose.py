"""Signing against the RFCs' vectors and against joserfc, an independent implementation."""

from __future__ import annotations

import base64
import json

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from joserfc import jws
from joserfc.jwk import import_key
from rows import every

from identry.core import jose
from identry.core.jose import BadKeyError, PrivateKey

PEM, PKCS1 = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL
PKCS8, PLAIN = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
RSA_KEY = jose.generate_rsa(kid="rsa")
KEYS = {"RS256": RSA_KEY, "ES256": jose.generate("ES256", "ec"), "EdDSA": jose.generate("EdDSA", "ed")}


def b64decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(text: str) -> int:
    return int.from_bytes(b64decode(text))


RFC7638_N = (
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3ok"
    "njhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu"
    "6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8a"
    "wapJzKnqDKgw"
)


def test_rfc7638_thumbprint_ignores_every_other_member():
    jwk = {"kty": "RSA", "n": RFC7638_N, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert jose.thumbprint(jwk) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


RFC7515_A2 = {
    "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR"
    "T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB"
    "dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia"
    "GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    "d": "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46su"
    "i395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4"
    "qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB"
    "4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ",
}
RFC7515_A2_INPUT = (
    b"eyJhbGciOiJSUzI1NiJ9"
    b".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
)
RFC7515_A2_SIGNATURE = (
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr"
    "7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--x"
    "i12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_Ioy"
    "pGlUPQGe77Rw"
)


def test_rfc7515_rs256_signature():
    n, d = number(RFC7515_A2["n"]), number(RFC7515_A2["d"])
    p, q = rsa.rsa_recover_prime_factors(n, 65537, d)
    crt = (rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q))
    private = rsa.RSAPrivateNumbers(p, q, d, *crt, rsa.RSAPublicNumbers(65537, n)).private_key()
    key = PrivateKey(private, "joe")
    assert key._signature(RFC7515_A2_INPUT) == b64decode(RFC7515_A2_SIGNATURE)
    assert (key.jwk["n"], key.jwk["e"]) == (RFC7515_A2["n"], "AQAB")


def test_rfc8037_key_signature_and_thumbprint():
    seed = b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
    key = PrivateKey(ed25519.Ed25519PrivateKey.from_private_bytes(seed))
    assert key.jwk["x"] == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    assert key.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    signature = key._signature(b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc")
    assert signature == b64decode(
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    )


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # RFC 9864 prefers the name Ed25519; verifiers know EdDSA
@pytest.mark.parametrize("alg", jose.ALGORITHMS)
def test_an_independent_implementation_verifies_what_we_sign(alg: jose.Algorithm):
    key = KEYS[alg]
    claims = {"sub": "ünï", "iat": 1_700_000_000, "amr": ["pwd"], "n": None, "ok": True}
    for _ in range(50 if alg == "ES256" else 2):  # short r or s come up in a fraction of the signatures
        token = key.sign(claims)
        verified = jws.deserialize_compact(token, import_key(key.jwk), algorithms=[alg])
        assert json.loads(verified.payload) == claims
        assert verified.headers() == {"alg": alg, "kid": key.kid, "typ": "JWT"}
    assert "=" not in token
    assert jws.deserialize_compact(key.sign({}, "at+jwt"), import_key(key.jwk), algorithms=[alg]).headers()["typ"] == (
        "at+jwt"
    )


def test_an_es256_signature_is_r_and_s_of_32_bytes_each():
    assert {len(b64decode(KEYS["ES256"].sign({"i": i}).rsplit(".", 1)[1])) for i in range(300)} == {64}


def test_the_header_reads_as_the_contract_shows_it():
    header = RSA_KEY.sign({}).partition(".")[0]
    assert b64decode(header) == b'{"alg":"RS256","kid":"rsa","typ":"JWT"}'


@pytest.mark.parametrize(
    ("alg", "members"),
    [
        ("RS256", ["kty", "use", "alg", "kid", "n", "e"]),
        ("ES256", ["kty", "use", "alg", "kid", "crv", "x", "y"]),
        ("EdDSA", ["kty", "use", "alg", "kid", "crv", "x"]),
    ],
)
def test_a_public_jwk_has_these_members_and_no_other(alg: str, members: list[str]):
    assert list(KEYS[alg].jwk) == members


def test_coordinates_keep_their_leading_zeros():
    x = next(jwk["x"] for _ in range(5000) if (jwk := jose.generate("ES256").jwk) and b64decode(jwk["x"])[0] == 0)
    assert len(b64decode(x)) == 32


def test_only_public_members_of_a_stored_jwk_are_published():
    stored = RSA_KEY.jwk | {"d": "secret", "p": "secret", "oth": [], "x5u": "https://evil.example", "kid": "other"}
    assert jose.published_jwk(stored, "rsa", "RS256") == RSA_KEY.jwk
    for bad in (
        {},
        {"kty": "oct", "k": "AAAA"},
        {"kty": "RSA", "n": "", "e": "AQAB"},
        {"kty": "RSA", "n": 1, "e": "AQAB"},
    ):
        with pytest.raises(BadKeyError):
            jose.published_jwk(bad, "x", "RS256")


@pytest.mark.parametrize("alg", jose.ALGORITHMS)
def test_a_key_survives_pem_and_der(alg: jose.Algorithm):
    key = KEYS[alg]
    assert jose.load_private_pem(key.private_pem(), key.kid).jwk == key.jwk
    assert jose.load_private_der(key.private_der(), key.kid).jwk == key.jwk
    assert jose.load_public_pem(key.public_pem(), key.kid) == key.jwk
    assert jose.load_private_pem(key.private_pem()).kid == jose.thumbprint(key.jwk)


def test_pkcs1_sec1_escaped_newlines_quotes_and_crlf_are_read():
    pkcs1 = RSA_KEY._key.private_bytes(PEM, PKCS1, PLAIN).decode()
    assert "BEGIN RSA PRIVATE KEY" in pkcs1
    sec1 = KEYS["ES256"]._key.private_bytes(PEM, PKCS1, PLAIN).decode()
    assert "BEGIN EC PRIVATE KEY" in sec1
    for text in (pkcs1, pkcs1.replace("\n", "\\n"), f'"{pkcs1}"', pkcs1.replace("\n", "\r\n"), f"\n\n  {pkcs1}\n"):
        assert jose.load_private_pem(text, "rsa").jwk == RSA_KEY.jwk
    assert jose.load_private_pem(sec1).alg == "ES256"


def small_rsa() -> str:
    # 1024 bits, the smallest that the library makes.
    return rsa.generate_private_key(65537, 1024).private_bytes(PEM, PKCS8, PLAIN).decode()


def openssh() -> str:
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(PEM, serialization.PrivateFormat.OpenSSH, PLAIN).decode()


BAD_PEMS = {
    "": "not PEM",
    "garbage": "not PEM",
    RSA_KEY.public_pem(): "not a private key: this is a PUBLIC KEY",
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----": "this is a CERTIFICATE",
    RSA_KEY._key.private_bytes(
        PEM, PKCS8, serialization.BestAvailableEncryption(b"pw")
    ).decode(): "encrypted; decrypt it",
    RSA_KEY._key.private_bytes(
        PEM, PKCS1, serialization.BestAvailableEncryption(b"pw")
    ).decode(): "encrypted; decrypt it",
    RSA_KEY.private_pem()[:400]: "damaged",
    RSA_KEY.private_pem().replace("a", "b"): "damaged",
    RSA_KEY.private_pem() * 2: "2 PEM blocks",
    small_rsa(): "has 1024 bits; at least 2048",
    openssh(): "OpenSSH key; convert",
    ec.generate_private_key(ec.SECP384R1())
    .private_bytes(PEM, PKCS8, PLAIN)
    .decode(): "curve secp384r1; ES256 needs P-256",
    dsa.generate_private_key(1024).private_bytes(PEM, PKCS8, PLAIN).decode(): "not supported: use RSA",
    "-----BEGIN PRIVATE KEY-----\n\ud800\n-----END PRIVATE KEY-----": "damaged",
}


@every(("pem", "message"), BAD_PEMS.items(), ids=BAD_PEMS.values())
def test_an_unusable_pem_says_why_and_shows_nothing_of_itself(pem: str, message: str):
    with pytest.raises(BadKeyError, match=message) as caught:
        jose.load_private_pem(pem)
    assert caught.value.__cause__ is None
    assert not any(line in str(caught.value) for line in pem.splitlines() if len(line) > 40)


def test_a_public_override_must_be_the_other_half():
    assert jose.load_private_pem(RSA_KEY.private_pem(), public_pem=RSA_KEY.public_pem()).alg == "RS256"
    with pytest.raises(BadKeyError, match="does not belong"):
        jose.load_private_pem(RSA_KEY.private_pem(), public_pem=jose.generate_rsa().public_pem())
    with pytest.raises(BadKeyError, match="not a public key"):
        jose.load_private_pem(RSA_KEY.private_pem(), public_pem="garbage")


@every("kid", ["", "a b", "a\n", "ä", "x" * 129])
def test_a_kid_is_visible_ascii_of_bounded_length(kid: str):
    with pytest.raises(BadKeyError, match="JWT_KID"):
        jose.load_private_pem(RSA_KEY.private_pem(), kid)


def test_a_key_does_not_show_its_private_half():
    assert repr(RSA_KEY) == "PrivateKey(kid='rsa', alg='RS256')"
    private = number(msgspec.json.decode(msgspec.json.encode(RSA_KEY.jwk))["e"])
    assert private == 65537
