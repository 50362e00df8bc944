"""Hostile tokens 1 of 2 (SECURITY §1.6, §2 rows 3–7, 11): shapes, headers and JSON that a lax reader would take.

Each is one InvalidToken, never anything else. Nearly all are correctly signed with the right key: only the strict
reading stands between them and acceptance.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rows import every

from identry_kit.jwtauth.compact import read_object

NOW = 1_800_000_000


def b64(data: bytes | str) -> str:
    return base64.urlsafe_b64encode(data.encode() if isinstance(data, str) else data).rstrip(b"=").decode()


def _shapes(s: Any) -> Iterator[tuple[str, Any]]:
    good = s.mint()
    head, body, sig = good.split(".")
    ones = b"\xff" * 256
    yield from {
        "empty": "",
        "space": " ",
        "dot": ".",
        "two dots": "..",
        "three dots": "...",
        "one segment": head,
        "two segments": f"{head}.{body}",
        "no signature": f"{head}.{body}.",
        "four segments": f"{good}.{sig}",
        "five segments": f"{head}.{sig}.{body}.{sig}.{sig}",
        "empty header": f".{body}.{sig}",
        "empty payload": f"{head}..{sig}",
        "leading space": f" {good}",
        "trailing space": f"{good} ",
        "trailing newline": f"{good}\n",
        "trailing CRLF": f"{good}\r\n",
        "newline inside": f"{head}.\n{body}.{sig}",
        "NUL at the end": f"{good}\0",
        "NUL inside": f"{head}\0.{body}.{sig}",
        "padded signature": f"{good}==",
        "padded header": f"{head}=.{body}.{sig}",
        "padded payload": f"{head}.{body}==.{sig}",
        "standard alphabet": f"{head}.{body}.{sig[:-4]}+/+/",
        "percent encoded": f"{head}.{body}.{sig[:-3]}%41",
        "non-ASCII letter": f"{head}.{body}.{sig[:-1]}é",
        "full-width letter": f"{head}.{body}.{sig[:-1]}Ａ",
        "lone surrogate": f"{head}.{body}.{sig[:-1]}\ud800",
        "quoted": f'"{good}"',
        "with scheme": f"Bearer {good}",
        "colon separated": good.replace(".", ":"),
        "bytes": good.encode(),
        "None": None,
        "a number": 7,
        "a list": [head, body, sig],
        "JSON serialization": json.dumps({"protected": head, "payload": body, "signature": sig}),
        "JSON general": json.dumps({"payload": body, "signatures": [{"protected": head, "signature": sig}]}),
        "too long": s.mint(padding="x" * 9000),
        "64 KiB": s.mint(padding="x" * 65536),
        "8 MiB of dots": "." * (8 << 20),
        "8 MiB of letters": "a" * (8 << 20),
        "signature of one letter": f"{head}.{body}.A",
        "signature cut": f"{head}.{body}.{sig[:-8]}",
        "signature doubled": f"{head}.{body}.{sig}{sig}",
        "signature of zeros": f"{head}.{body}.{b64(bytes(256))}",
        "signature of ones": f"{head}.{body}.{b64(ones)}",
        "another payload": f"{head}.{b64(json.dumps(s.claims(sub='1')))}.{sig}",
        "segments swapped": f"{body}.{head}.{sig}",
        "nested token": s.raw(json.dumps(s.header(cty="JWT")), good),
        "detached payload": f"{head}..{sig}",
    }.items()
    # The last letter of a 256-byte signature carries four unused bits: fifteen other spellings of the same bytes.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    at = alphabet.index(sig[-1])
    for stray in range(1, 16):
        yield f"stray bits {stray}", f"{head}.{body}.{sig[:-1]}{alphabet[at ^ stray]}"


def _headers(s: Any) -> Iterator[tuple[str, Any]]:
    jwk = {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "rs256"}
    members: dict[str, dict[str, Any]] = {
        "alg none": {"alg": "none"},
        "alg NONE": {"alg": "NONE"},
        "alg empty": {"alg": ""},
        "alg missing": {"alg": ...},
        "alg null": {"alg": None},
        "alg list": {"alg": ["RS256"]},
        "alg number": {"alg": 256},
        "alg lower case": {"alg": "rs256"},
        "alg with space": {"alg": "RS256 "},
        "alg HS256": {"alg": "HS256"},
        "alg RS384": {"alg": "RS384"},
        "alg RS512": {"alg": "RS512"},
        "alg PS256": {"alg": "PS256"},
        "alg RSA-OAEP": {"alg": "RSA-OAEP"},
        "alg ES256 for an RSA key": {"alg": "ES256"},
        "alg EdDSA for an RSA key": {"alg": "EdDSA"},
        "kid missing": {"kid": ...},
        "kid null": {"kid": None},
        "kid empty": {"kid": ""},
        "kid number": {"kid": 1},
        "kid list": {"kid": ["rs256"]},
        "kid object": {"kid": {"$ne": ""}},
        "kid unknown": {"kid": "other"},
        "kid other case": {"kid": "RS256"},
        "kid long": {"kid": "k" * 129},
        "kid with NUL": {"kid": "rs256\0"},
        "kid with newline": {"kid": "rs256\n"},
        "kid path": {"kid": "../../../../dev/null"},
        "kid SQL": {"kid": "x' UNION SELECT 'a"},
        "kid URL": {"kid": "https://evil.example/jwks.json"},
        "kid of another algorithm": {"kid": "es256"},
        "typ ID token": {"typ": "id+jwt"},
        "typ logout token": {"typ": "logout+jwt"},
        "typ refresh": {"typ": "refresh"},
        "typ JWE": {"typ": "JWE"},
        "typ empty": {"typ": ""},
        "typ null": {"typ": None},
        "typ list": {"typ": ["JWT"]},
        "typ number": {"typ": 1},
        "typ with space": {"typ": "JWT "},
        "crit empty": {"crit": []},
        "crit unknown": {"crit": ["x"], "x": 1},
        "crit exp": {"crit": ["exp"], "exp": NOW + 900},
        "crit null": {"crit": None},
        "crit string": {"crit": "exp"},
        "crit object": {"crit": {}},
        "crit number": {"crit": 1},
        "crit b64": {"crit": ["b64"], "b64": False},
        "crit duplicate": {"crit": ["b64", "b64"], "b64": True},
        "b64 false": {"b64": False},
        "b64 true": {"b64": True},
        "jwk": {"jwk": jwk},
        "jwk null": {"jwk": None},
        "jku": {"jku": "http://127.0.0.1:9/jwks.json"},
        "jku null": {"jku": None},
        "jku file": {"jku": "file:///etc/passwd"},
        "x5u": {"x5u": "http://127.0.0.1:9/cert.pem"},
        "x5c": {"x5c": ["MIIB"]},
        "x5c empty": {"x5c": []},
        "jwk and jku": {"jwk": jwk, "jku": "http://127.0.0.1:9/"},
        "zip": {"zip": "DEF"},
        "enc": {"enc": "A256GCM"},
    }
    for name, header in members.items():
        yield name, s.mint(header)


def _texts(s: Any) -> Iterator[tuple[str, Any]]:
    """Header and payload as JSON text, correctly signed, that a lax reader would accept."""
    header, claims = json.dumps(s.header()), json.dumps(s.claims())
    texts: dict[str, Callable[[str], str | bytes]] = {
        "not JSON": lambda _: "hello",
        "empty object": lambda _: "{}",
        "null": lambda _: "null",
        "a list": lambda text: f"[{text}]",
        "a string": json.dumps,
        "a number": lambda _: "1",
        "two objects": lambda text: text + text,
        "object and rest": lambda text: text + "x",
        "NUL after": lambda text: text + "\0",
        "form feed before": lambda text: "\f" + text,
        "BOM": lambda text: b"\xef\xbb\xbf" + text.encode(),
        "UTF-16": lambda text: text.encode("utf-16"),
        "UTF-16 without BOM": lambda text: text.encode("utf-16-le"),
        "UTF-32": lambda text: text.encode("utf-32-be"),
        "Latin-1": lambda text: text[:-1].encode() + b', "x": "\xe9"}',
        "overlong UTF-8": lambda text: text[:-1].encode() + b', "x": "\xc0\xaf"}',
        "CESU surrogate": lambda text: text[:-1].encode() + b', "x": "\xed\xa0\x80"}',
        "trailing comma": lambda text: text[:-1] + ",}",
        "single quotes": lambda text: text.replace('"', "'"),
        "comment": lambda text: "/* */" + text,
        "unquoted value": lambda text: text[:-1] + ', "x": y}',
        "value missing": lambda text: text[:-1] + ', "x": }',
        "cut in a value": lambda text: text[:-1] + ', "x": tr',
        "unquoted name": lambda text: text[:-1] + ", x: 1}",
        "NaN": lambda text: text[:-1] + ', "x": NaN}',
        "Infinity": lambda text: text[:-1] + ', "x": -Infinity}',
        "number beyond float": lambda text: text[:-1] + ', "x": 1e999}',
        "huge integer": lambda text: text[:-1] + ', "x": ' + "9" * 4400 + "}",
        "leading zero": lambda text: text[:-1] + ', "x": 01}',
        "raw newline in string": lambda text: text[:-1] + ', "x": "a\nb"}',
        "half a surrogate pair": lambda text: text[:-1] + ', "x": "\\ud800"}',
        "surrogate pair reversed": lambda text: text[:-1] + ', "x": "\\udc00\\ud800"}',
        "NUL escape": lambda text: text[:-1] + ', "x": "a\\u0000b"}',
        "duplicate name": lambda text: text[:-1] + ', "x": 1, "x": 1}',
        "duplicate by escape": lambda text: text[:-1] + ', "x": 1, "\\u0078": 2}',
        "duplicate deep": lambda text: text[:-1] + ', "x": {"a": 1, "a": 2}}',
        "17 lists deep": lambda text: text[:-1] + ', "x": ' + "[" * 17 + "]" * 17 + "}",
        "1000 lists deep": lambda text: text[:-1] + ', "x": ' + "[" * 1000 + "]" * 1000 + "}",
        "2500 unclosed": lambda text: text[:-1] + ', "x": ' + "[" * 2500,
        "500 objects deep": lambda text: text[:-1] + ', "x": ' + '{"a":' * 500 + "1" + "}" * 501,
    }
    for name, change in texts.items():
        yield f"header: {name}", s.raw(change(header), claims)
        yield f"payload: {name}", s.raw(header, change(claims))
        yield f"compact payload: {name}", s.raw(header, _compact(change(claims)))
    for name, second in {"alg": '"none"', "kid": '"x"', "typ": '"x"'}.items():
        yield f"header: {name} twice, good one last", s.raw(f'{{"{name}": {second}, ' + header[1:], claims)
        yield f"header: {name} twice, good one first", s.raw(header[:-1] + f', "{name}": {second}}}', claims)
    for name, second in {"sub": '"1"', "exp": "1", "iss": '"x"', "aud": '"x"', "type": '"x"'}.items():
        yield f"payload: {name} twice, good one last", s.raw(header, f'{{"{name}": {second}, ' + claims[1:])
        yield f"payload: {name} twice, good one first", s.raw(header, claims[:-1] + f', "{name}": {second}}}')
        for place, text in {
            "first": f'{{"{name}":{second},' + _compact(claims)[1:],
            "last": _compact(claims)[:-1] + f',"{name}":{second}}}',
            "last, with a tab": _compact(claims)[:-1] + f',"{name}"\t:{second}}}',
            "last, beside a text that looks like a name": _compact(claims)[:-1] + f',"y":":","{name}":{second}}}',
        }.items():
            yield f"compact payload: {name} twice, bad one {place}", s.raw(header, text)


def _compact(text: str | bytes) -> str | bytes:
    """Without the blanks that `json.dumps` puts after separators."""
    return text.replace(", ", ",").replace(": ", ":") if isinstance(text, str) else text


@pytest.mark.parametrize("family", [_shapes, _headers, _texts])
async def test_every_hostile_token_is_refused(signer: Any, refuses: Any, family: Callable[[Any], Any]) -> None:
    await refuses(list(family(signer)))


def test_the_table_is_long_enough(signer: Any) -> None:
    rows = [name for family in (_shapes, _headers, _texts) for name, _ in family(signer)]
    assert len(rows) >= 200
    assert len(rows) == len(set(rows))


@every("claim", ["", ":", '":', "a:b", "{", "[{]}", "\\u0000", "\\\\u0000", "\\", "é", "\t", " ", "'", "x" * 500])
def test_texts_that_look_like_syntax_are_texts(signer: Any, claim: str) -> None:
    for separators in ((",", ":"), (", ", ": ")):
        data = json.dumps({"sub": "1", "x": claim, "list": [claim], "in": {"x": claim}}, separators=separators).encode()
        assert read_object(data) == {"sub": "1", "x": claim, "list": [claim], "in": {"x": claim}}
        flat = json.dumps({"sub": "1", claim: claim}, separators=separators, ensure_ascii=False).encode()
        assert read_object(flat) == {"sub": "1", claim: claim}
