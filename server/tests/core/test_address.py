"""Who is calling: the right-most hop that is none of our proxies, whatever the header holds (SECURITY §2 row 46)."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import every

from identry.core.address import MAX_HOPS, TrustedProxies, address_bucket, client_ip

PROXIES = TrustedProxies.parse("10.0.0.0/8, 2001:db8:aaaa::/48, 127.0.0.1")
PROXY = "10.0.0.1"


def seen(*values: str, peer: str | None = PROXY) -> str | None:
    return client_ip(peer, values, PROXIES)


@every(
    ("peer", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:DB8::0:1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        (None, None),
        ("", None),
        ("unix:", None),
        ("testclient", None),
    ],
)
def test_without_a_trusted_peer_the_header_is_ignored(peer: str | None, expected: str | None):
    assert seen("198.51.100.9", peer=peer) == expected
    assert seen(peer=peer) == expected


@every(
    ("values", "expected"),
    [
        # the ordinary shapes
        (["198.51.100.9"], "198.51.100.9"),
        (["  198.51.100.9\t"], "198.51.100.9"),
        (["203.0.113.7, 198.51.100.9"], "198.51.100.9"),
        (["198.51.100.9, 10.0.0.3, 10.0.0.2"], "198.51.100.9"),
        (["203.0.113.7", "198.51.100.9"], "198.51.100.9"),
        (["198.51.100.9", "10.0.0.2"], "198.51.100.9"),
        (["2001:db8::9"], "2001:db8::9"),
        (["2001:db8::9, 2001:db8:aaaa::5"], "2001:db8::9"),
        # ports and brackets
        (["198.51.100.9:4711"], "198.51.100.9"),
        (["[2001:db8::9]"], "2001:db8::9"),
        (["[2001:db8::9]:4711"], "2001:db8::9"),
        # spellings of one address
        (["::ffff:198.51.100.9"], "198.51.100.9"),
        (["[::ffff:c633:6409]:1"], "198.51.100.9"),
        (["2001:0DB8:0000::0009"], "2001:db8::9"),
        (["fe80::9%eth0"], "fe80::9"),
        (["198.51.100.9, ::ffff:10.0.0.2"], "198.51.100.9"),
        # everyone is ours: the farthest
        (["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
        ([], PROXY),
    ],
)
def test_behind_a_trusted_peer_the_right_most_foreign_hop_counts(values: list[str], expected: str):
    assert seen(*values) == expected


GARBAGE = [
    "",
    " ",
    "unknown",
    "_hidden",
    "_SEVKISEK",
    "localhost",
    "example.com",
    "198.51.100.9.example.com",
    "198.51.100",
    "198.51.100.256",
    "198.51.100.009",
    "0xC6.0x33.0x64.0x09",
    "3325256713",
    "198.51.100.9/32",
    "198.51.100.9:port",
    "198.51.100.9:",
    "198.51.100.9:65536",
    "198.51.100.9:-1",
    "198.51.100.9:٣",
    "198.51.100.9:1:2",
    "[198.51.100.9]",
    "[198.51.100.9]:80",
    "[2001:db8::9",
    "2001:db8::9]",
    "[]",
    "[]:80",
    "[2001:db8::9]80",
    "[2001:db8::9]:",
    "[[2001:db8::9]]",
    "2001:db8::9::1",
    "2001:db8:::9",
    ":",
    "::1::",
    '"198.51.100.9"',
    "for=198.51.100.9",
    "198.51.100.9;198.51.100.8",
    "198.51.100.9 198.51.100.8",
    "198.51.100.9\r\nX-Evil: 1",
    "198.51.100.9\x00",
    "１９８.51.100.9",
    "١٩٨.51.100.9",
    "%",
    "%eth0",
    "\ud800",
    "9" * 100_000,
    ":" * 100_000,
    "[" * 100_000,
    "2001:db8::9%" + "x" * 100_000,
]


@every("garbage", GARBAGE, ids=lambda text: repr(text[:24]))
def test_what_is_no_address_stands_for_the_proxy_that_passed_it_on(garbage: str):
    """Neither an exception, nor a look past it to what anyone could have written."""
    assert seen(garbage) == PROXY
    assert seen(f"203.0.113.7, {garbage}") == PROXY
    assert seen("203.0.113.7", garbage, "10.0.0.2") == "10.0.0.2"
    assert seen(f"{garbage}, 198.51.100.9") == "198.51.100.9"


def test_empty_parts_end_the_reading():
    assert seen("203.0.113.7,,10.0.0.2") == "10.0.0.2"
    assert seen("203.0.113.7,") == PROXY
    assert seen(",,,,") == PROXY


def test_a_very_long_chain_is_read_from_the_right_only():
    assert seen(", ".join(["203.0.113.7"] * 100_000 + ["198.51.100.9"])) == "198.51.100.9"
    ours = ["10.0.0.2"] * (MAX_HOPS * 2)
    assert seen(", ".join(["203.0.113.7", *ours])) == "10.0.0.2"
    assert seen(*(["203.0.113.7"] * 1000)) == "203.0.113.7"


def test_a_chain_within_the_bound_is_read_to_its_end():
    ours = ["2001:db8:aaaa:1111:2222:3333:4444:5555"] * (MAX_HOPS - 1)
    assert seen(", ".join(["198.51.100.9", *ours])) == "198.51.100.9"


def test_an_address_cut_by_the_bound_is_not_mistaken_for_another():
    assert seen(",".join(["1.1.1.111"] + ["10.0.0.2"] * MAX_HOPS)) == "10.0.0.2"


@given(st.lists(st.text(max_size=80) | st.ip_addresses().map(str), max_size=6), st.text(max_size=20) | st.just(PROXY))
def test_no_header_and_no_peer_raises(values: list[str], peer: str):
    address = client_ip(peer, values, PROXIES)
    assert address is None or address_bucket(address)


@given(st.lists(st.ip_addresses().map(str), min_size=1, max_size=5), st.lists(st.text(max_size=40), max_size=3))
def test_what_the_client_wrote_itself_never_counts(client_and_before: list[str], forged: list[str]):
    """The outermost proxy appends the client's true address; anything before it changes nothing."""
    true = "198.51.100.9"
    assert seen(*forged, *client_and_before, true) == true
    assert seen(", ".join([*forged, *client_and_before, true, "10.9.9.9"])) == true


def test_names_are_never_resolved(monkeypatch: pytest.MonkeyPatch):
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("asked DNS")

    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    monkeypatch.setattr(socket, "gethostbyname", forbidden)
    assert seen("localhost", "example.com") == PROXY


def test_without_trusted_proxies_only_the_peer_counts():
    assert client_ip("10.0.0.1", ["198.51.100.9"], TrustedProxies()) == "10.0.0.1"
    assert client_ip("10.0.0.1", ["198.51.100.9"], TrustedProxies.parse("")) == "10.0.0.1"
    assert client_ip("10.0.0.1", ["198.51.100.9"], TrustedProxies.parse(["10.0.0.0/8"])) == "198.51.100.9"


@every("cidrs", ["10.0.0.1/8", "proxy.internal", "10.0.0.0/33", "10.0.0.0/8; 127.0.0.1"])
def test_a_trusted_network_that_is_none_is_refused(cidrs: str):
    with pytest.raises(ValueError, match=cidrs.split("/", maxsplit=1)[0]):
        TrustedProxies.parse(cidrs)


@every(
    ("address", "bucket"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("a:b@example.com", "a:b@example.com"),
        ("", ""),
    ],
)
def test_limits_count_an_ipv6_address_by_its_64(address: str, bucket: str):
    assert address_bucket(address) == bucket
