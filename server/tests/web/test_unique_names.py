"""A body in which a name stands twice is refused, and the name is told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from harness import PASSWORD, Harness
from rows import every

from identry.web.decoding import decode_body
from identry.web.errors import InvalidRequest


class Inner(msgspec.Struct):
    id: str


class Outer(msgspec.Struct, rename="camel"):
    email: str
    full_name: str = ""
    inner: Inner | None = None
    others: list[Inner] = []
    count: int = 0


class Open(msgspec.Struct):
    context: dict[str, Any]


@every(
    ("struct", "raw", "names"),
    [
        (Outer, '{"email":"a","email":"b"}', ["email"]),
        (Outer, '{"email":"a","email":"a"}', ["email"]),
        (Outer, '{"email" : "a" , "\\u0065mail":"b"}', ["email"]),
        (Outer, '{"email":"a","fullName":"A","fullName":"B","count":1,"count":2}', ["count", "fullName"]),
        (Outer, '{"email":"a","inner":{"id":"1","id":"2"}}', ["id"]),
        (Outer, '{"email":"a","others":[{"id":"1"},{"id":"2","id":"3"}]}', ["id"]),
        (Outer, '{"email":1,"email":"a"}', ["email"]),
        (Outer, '{"email":"a","email":1}', ["email"]),
        (Outer, '{"email":"a","x":' + "1" * 5000 + ',"email":"b"}', ["email"]),
        (Open, '{"context":{"plan":"free","plan":"gold"}}', ["plan"]),
        (Open, '{"context":{},"context":{}}', ["context"]),
    ],
)
def test_what_is_repeated_is_named(struct: type[Any], raw: str, names: list[str]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode_body(struct, raw.encode())
    told: Any = refused.value.details
    assert told["fields"] == [{"field": name, "rule": "format", "message": "must not be repeated"} for name in names]


@every(
    ("struct", "raw"),
    [
        (Outer, '{"email":"a"}'),
        (Outer, '{"email":"\\"email\\":"}'),
        (Outer, '{"email":"email","fullName":"email"}'),
        (Outer, '{"email":"\\u0065mail","inner":{"id":"1"},"others":[{"id":"1"},{"id":"1"}]}'),
        (Outer, '{"email":"a","unknown":1,"unknown":2}'),
        (Open, '{"context":{"a":{"x":1},"b":{"x":1}}}'),
    ],
)
def test_what_only_looks_repeated_is_read(struct: type[Any], raw: str) -> None:
    assert decode_body(struct, raw.encode()) == msgspec.json.decode(raw, type=struct)


def test_what_cannot_be_read_closely_is_refused() -> None:
    deep = b'{"email":"a","x":' + b"[" * 50_000 + b"]" * 50_000 + b',"email":"b"}'
    for raw in (deep, b'{"email":"a","email":"b","x":"\xff"}', b'{"email":"a","email":"b"'):
        with pytest.raises(InvalidRequest):
            decode_body(Outer, raw)


async def test_nobody_signs_in_as_the_second_of_two(app: Harness) -> None:
    person = await app.make_user()
    for path, other in (("/auth/login", ""), ("/api/auth/login", ',"app_client_id":"x"')):
        reply = await app.http.post(
            path,
            content=f'{{"email":"nobody@example.com","email":"{person.email}","password":"{PASSWORD}"{other}}}',
            headers={"Content-Type": "application/json", "X-Forwarded-For": app.fresh_ip()},
        )
        assert reply.status_code == 400, reply.text
        assert "email" in reply.text
        assert "must not be repeated" in reply.text
