"""Redirect addresses: to the letter, and what may be registered at all (SECURITY §2 row 44)."""

from __future__ import annotations

import pytest

from identry.oauth.redirects import matches, refuse_unregistrable, with_parameters

REGISTERED = "https://app.example.com/callback"

HOSTILE = [
    "https://app.example.com/callback/",
    "https://app.example.com/callback?x=1",
    "https://app.example.com/callback#",
    "https://app.example.com/Callback",
    "https://APP.example.com/callback",
    "https://app.example.com:443/callback",
    "https://app.example.com./callback",
    "https://app.example.com/callback%2f",
    "https://app.example.com/x/../callback",
    "https://app.example.com/..;/callback",
    "https://app.example.com@evil.example.com/callback",
    "https://evil.example.com@app.example.com/callback",
    "https://app.example.com%40evil.example.com/callback",
    "https://app.example.com\\@evil.example.com/callback",
    "https://app.example.com.evil.example.com/callback",
    "https://evil.example.com/callback?https://app.example.com/callback",
    "//app.example.com/callback",
    "http://app.example.com/callback",
    "HTTPS://app.example.com/callback",
    " https://app.example.com/callback",
    "https://app.example.com/callback ",
    "https://app.example.com/callback\n",
    "https://app.example.com/callback\x00",
    "javascript:alert(1)//app.example.com/callback",
    "data:text/html,https://app.example.com/callback",
    "https://app.examp\u200dle.com/callback",
    "https://app。example。com/callback",
    "",
]

LOOPBACK = ["http://127.0.0.1/cb", "http://[::1]/cb", "http://localhost/cb", "https://127.0.0.1/cb"]


@pytest.mark.parametrize("native", [False, True])
def test_nothing_but_the_registered_address_matches(native: bool) -> None:
    assert matches([REGISTERED], REGISTERED, native=native)
    for address in HOSTILE:
        assert not matches([REGISTERED], address, native=native), address
    assert not matches([], REGISTERED, native=native)


def test_only_the_port_of_a_native_clients_loopback_address_is_free() -> None:
    for address in ("http://127.0.0.1:8000/cb", "http://127.0.0.1:65535/cb", "http://[::1]:1/cb"):
        assert matches(LOOPBACK, address, native=True), address
        assert not matches(LOOPBACK, address, native=False), address
    for address in (
        "http://localhost:8000/cb",
        "https://127.0.0.1:8000/cb",
        "http://127.0.0.1:8000/cb/",
        "http://127.0.0.1:8000/cb?x",
        "http://127.0.0.1:8000/",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:80a/cb",
        "http://127.0.0.2:8000/cb",
        "http://127.1:8000/cb",
        "http://2130706433:8000/cb",
        "http://x@127.0.0.1:8000/cb",
        "http://127.0.0.1:8000@evil.example.com/cb",
        "http://127.0.0.1.evil.example.com:8000/cb",
        "http://127.0.0.1:8000\\@evil.example.com/cb",
    ):
        assert not matches(LOOPBACK, address, native=True), address


GOOD = ["https://app.example.com/cb", "https://app.example.com/cb?tenant=1", "https://app.example.com:8443/"]
GOOD_NATIVE = ["http://127.0.0.1/cb", "http://[::1]/cb", "com.example.app:/cb", "com.example.app:/"]
BAD = [
    *("http://app.example.com/cb", "ftp://app.example.com/", "https:///cb", "https:app.example.com/cb", "/cb", "cb"),
    *("https://app.example.com/cb#", "https://*.example.com/cb", "https://app.example.com/*", "https://u@app.test/cb"),
    *("https://app.example.com/a/../cb", "https://app.example.com/..;/cb", "https://app.example.com/%2e%2e/cb"),
    *("https://app.example.com:0/cb", "https://app.example.com:/cb", "https://app.example.com:99999/cb"),
    *(
        "https://app example.com/cb",
        "https://app.example.com/\ncb",
        "https://app.example.com\\@x/cb",
        "https://é.test/",
    ),
    *("javascript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "about:blank", "blob:https://x/y"),
    *("myapp:/cb", "com.example.app://host/cb", "com.example.app:cb", "com.example.app:/a/../cb", "", "x" * 3000),
]


def test_what_may_be_registered() -> None:
    for address in GOOD:
        refuse_unregistrable(address, native=False)
    for address in [*GOOD, *GOOD_NATIVE]:
        refuse_unregistrable(address, native=True)
    refuse_unregistrable("http://localhost:3000/cb", native=False)  # a developer's own machine
    with pytest.raises(ValueError, match="other schemes"):
        refuse_unregistrable("com.example.app:/cb", native=False)
    for address in BAD:
        for native in (False, True):
            with pytest.raises(ValueError, match=r"redirect address|own scheme"):
                refuse_unregistrable(address, native=native)


def test_parameters_are_added_to_a_query_and_change_nothing_of_it() -> None:
    told = {"code": "a b&c=d", "state": "é#?", "error": ""}
    assert with_parameters("https://a.test/cb", told) == "https://a.test/cb?code=a+b%26c%3Dd&state=%C3%A9%23%3F"
    assert with_parameters("https://a.test/cb?x=1", {"state": "2"}) == "https://a.test/cb?x=1&state=2"
