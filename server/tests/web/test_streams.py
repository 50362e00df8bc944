"""Answers that are made while they are sent: whole, an error before they begin, or broken off; never cut and whole."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from identry.core.db import Unavailable
from identry.core.origin import Origin
from identry.web.call import Call, Stream
from identry.web.endpoint import Endpoint
from identry.web.operations import Operation


class Served:
    """What one request was sent, and whether the maker of the parts was told to stop."""

    def __init__(self, *parts: bytes | Exception, hung_up_after: int = 99) -> None:
        self.parts = parts
        self.hung_up_after = hung_up_after
        self.sent: list[Any] = []
        self.closed = False

    async def make(self) -> AsyncGenerator[bytes]:
        """The parts, one after the other."""
        try:
            for part in self.parts:
                if isinstance(part, Exception):
                    raise part
                yield part
        finally:
            self.closed = True

    async def __call__(self, method: str = "GET") -> None:
        """Ask for it."""

        async def handler(_: Call) -> Stream:
            return Stream(self.make(), "text/csv", {"Cache-Control": "no-store"})

        async def send(message: Any) -> None:
            if len(self.sent) == self.hung_up_after:
                raise OSError("gone")
            self.sent.append(message)

        endpoint = Endpoint(Operation("GET", "/file", handler, "A file", tag="x"), None, lambda _: Origin())
        await endpoint({"method": method, "headers": [], "path": "/file"}, None, send, {})  # type: ignore[arg-type]  # not read

    @property
    def body(self) -> bytes:
        """Of all messages."""
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def whole(self) -> bool:
        """Whether the answer was ended as it should be."""
        return bool(self.sent) and self.sent[-1]["type"] == "http.response.body" and not self.sent[-1].get("more_body")


async def test_parts_are_sent_one_by_one_and_the_answer_is_ended() -> None:
    served = Served(b"a", b"b")
    await served()
    assert served.sent[0]["status"] == 200
    assert dict(served.sent[0]["headers"]) == {b"content-type": b"text/csv", b"cache-control": b"no-store"}
    assert [message.get("body") for message in served.sent[1:]] == [b"a", b"b", b""]
    assert (served.whole, served.closed) == (True, True)


async def test_a_head_request_makes_no_more_than_the_first_part_and_sends_none() -> None:
    served = Served(b"a", b"b")
    await served("HEAD")
    assert (served.body, served.whole, served.closed) == (b"", True, True)


async def test_nothing_is_a_whole_answer_too() -> None:
    served = Served()
    await served()
    assert (served.body, served.whole) == (b"", True)


async def test_what_fails_before_the_first_part_is_an_error_as_any_other() -> None:
    served = Served(Unavailable("away"))
    with pytest.raises(Unavailable):
        await served()
    assert (served.sent, served.closed) == ([], True)


async def test_what_fails_later_leaves_the_answer_broken_off() -> None:
    served = Served(b"a", Unavailable("away"))
    with pytest.raises(Unavailable):
        await served()
    assert (served.body, served.whole, served.closed) == (b"a", False, True)


async def test_nobody_goes_on_making_what_nobody_reads() -> None:
    served = Served(b"a", b"b", b"c", hung_up_after=2)
    with pytest.raises(OSError, match="gone"):
        await served()
    assert (served.body, served.closed) == (b"a", True)
