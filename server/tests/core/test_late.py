"""A library that is needed for the first time is loaded where it holds nobody up."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from services.ports import free_port

from identry.core.late import Late

_WHO_LOADS = """
import asyncio, sys, threading
from identry.core.late import Late
from identry.core.passkeys import Assertion, Attestation, PasskeyError, RelyingParty
from identry.core.txt_records import DnsUnavailable, TxtRecords
from identry.federation import openid
from identry.federation.provider import ClientSecret
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

on_loop = []

class Watch:
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread() is threading.main_thread():
            on_loop.append(name)

async def main():
    party = RelyingParty("example.com", ["https://example.com"])
    sys.meta_path.insert(0, Watch())
    await asyncio.gather(*(party.ready() for _ in range(5)))
    data = b'{"type":"webauthn.get","challenge":"AAAA","origin":"https://example.com"}'
    create = data.replace(b"get", b"create")
    for look in (
        lambda: party.used(Assertion(b"x", data, b"x", b"x"), "AAAA", b"x", backup_eligible=False),
        lambda: party.registered(Attestation(b"x", create, b"x"), "AAAA"),
    ):
        try:
            look()
        except PasskeyError:
            pass
    try:
        await TxtRecords([f"127.0.0.1:{sys.argv[1]}"], timeout=0.2).of("example.com")
    except DnsUnavailable:
        pass

    await asyncio.gather(*(Late(openid.load)() for _ in range(5)))
    url = openid.authorization_url("https://a", "c", "https://r", state="s", nonce="n", verifier="v")
    form, shown = openid.token_request("c", "v", "https://r", "client_secret_basic", "c", ClientSecret("x"))
    assert (url[:10], form["code"], shown[:6]) == ("https://a?", "c", "Basic ")
    key = generate_private_key(65537, 2048).public_key()
    told = {"iss": "i", "aud": "c", "sub": "s", "exp": 9, "iat": 1, "nonce": "n"}
    openid.check_claims(told, issuer="i", client_id="c", nonce="n", access_token="a", now=1.0, leeway=0)
    try:
        openid.check_signature("eyJhbGciOiJSUzI1NiJ9.e30.AAAA", key)
    except openid.TokenRefused as refused:
        assert str(refused) == "signature"

asyncio.run(main())
loaded = {name.partition(".")[0] for name in sys.modules}
assert {"webauthn", "dns", "authlib", "joserfc"} <= loaded
heavy = {"webauthn", "cbor2", "dns", "asn1crypto", "OpenSSL", "authlib", "joserfc"}
print("on the loop:", [name for name in on_loop if name.partition(".")[0] in heavy])
"""


async def test_what_few_need_is_loaded_beside_the_event_loop() -> None:
    run = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", _WHO_LOADS, str(free_port())], capture_output=True, text=True, timeout=60
    )
    assert (run.stderr, run.stdout.splitlines()[-1:]) == ("", ["on the loop: []"])


async def test_of_many_who_come_at_once_one_loads() -> None:
    loads: list[int] = []
    late = Late(lambda: loads.append(1))
    await asyncio.gather(*(late() for _ in range(50)))
    await late()
    assert loads == [1]


async def test_what_cannot_be_loaded_is_told_to_each_and_tried_again() -> None:
    tries: list[int] = []

    def load() -> None:
        tries.append(1)
        raise ModuleNotFoundError

    late = Late(load)
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError):
            await late()
    assert len(tries) == 2
