"""The async client and its blocking twin are one API: the same names, parameters, defaults, words and results."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any, get_type_hints

from rows import every

from identry_kit.client import BlockingClient, Client

RENAMED = {"aclose": "close", "__aenter__": "__enter__", "__aexit__": "__exit__"}
CLOSING = {"aclose", "close"}


def public(kind: type) -> dict[str, Any]:
    return {name: member for name, member in vars(kind).items() if inspect.isfunction(member) and name[0] != "_"}


def names() -> list[str]:
    return sorted(name for name in public(Client) if name not in CLOSING)


def plain(signature: inspect.Signature) -> inspect.Signature:
    """Without the differences that there must be: what is awaited, and the HTTP client of one's own."""
    text = str(signature.return_annotation).replace("AsyncIterator", "Iterator")
    return signature.replace(return_annotation=text)


def test_they_have_the_same_methods() -> None:
    assert {RENAMED.get(name, name) for name in public(Client)} == set(public(BlockingClient))
    assert len(names()) == 28


@every("name", names())
def test_a_method_is_the_same_in_both(name: str) -> None:
    awaited, blocking = public(Client)[name], public(BlockingClient)[name]
    assert plain(inspect.signature(awaited)) == plain(inspect.signature(blocking))
    assert inspect.getdoc(awaited) == inspect.getdoc(blocking)
    assert inspect.getdoc(awaited)
    assert awaited.__name__ == blocking.__name__ == name
    assert (awaited.__qualname__, blocking.__qualname__) == (f"Client.{name}", f"BlockingClient.{name}")
    if name.startswith("with_"):
        return
    assert inspect.iscoroutinefunction(awaited) or inspect.isasyncgenfunction(awaited)
    assert not inspect.iscoroutinefunction(blocking)
    assert inspect.isasyncgenfunction(awaited) == inspect.isgeneratorfunction(blocking)


def test_a_signature_reads_as_if_written_by_hand() -> None:
    shown = str(inspect.signature(Client.get_user)).replace("identry_kit.client.shapes.", "")
    assert shown == "(self, user_id: int | str) -> AppUser | None"
    for name in names():
        assert "return" in get_type_hints(public(Client)[name]), name


def test_they_are_made_alike() -> None:
    awaited = inspect.signature(Client).parameters
    blocking = inspect.signature(BlockingClient).parameters
    assert list(awaited) == list(blocking)
    for name in awaited:
        if name not in {"http", "sleep"}:
            assert awaited[name] == blocking[name]


def test_the_guide_lists_every_method() -> None:
    guide = Path(__file__).parents[3] / "docs" / "kit" / "client.md"
    rows = re.findall(r"^\| `([a-z]\w+)\(", guide.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == names()
