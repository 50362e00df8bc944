"""Signatures of one moment are made in a row; each goes to whoever asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from identry.tokens.signing import Signing


class Key:
    """Signs with the claim `n`, and remembers what else happened meanwhile."""

    alg = "RS256"

    def __init__(self, name: str = "key") -> None:
        self.name = name
        self.told: list[str] = []

    def sign(self, claims: Mapping[str, Any], typ: str = "JWT") -> str:
        self.told.append(f"signed {claims['n']}")
        if claims["n"] < 0:
            raise ValueError("cannot sign this")
        return f"{self.name} {typ} {claims['n']}"


async def ask(signing: Signing, key: Key, n: int) -> str:
    key.told.append(f"asked {n}")
    token = await signing({"n": n})
    key.told.append(f"answered {n}")
    return token


async def test_whoever_asks_in_one_moment_is_signed_for_in_a_row() -> None:
    key = Key()
    signing = Signing(lambda: key)
    assert await asyncio.gather(*(ask(signing, key, n) for n in range(3))) == [f"key JWT {n}" for n in range(3)]
    assert key.told == [f"{what} {n}" for what in ("asked", "signed", "answered") for n in range(3)]


async def test_after_eight_signatures_others_have_their_turn() -> None:
    key = Key()
    signing = Signing(lambda: key)
    tokens = await asyncio.gather(*(ask(signing, key, n) for n in range(20)))
    assert tokens == [f"key JWT {n}" for n in range(20)]
    assert key.told.index("answered 0") < key.told.index("signed 16")


async def test_what_a_key_refuses_is_told_to_whoever_asked_for_that() -> None:
    key = Key()
    signing = Signing(lambda: key)
    first, second, third = await asyncio.gather(*(ask(signing, key, n) for n in (1, -1, 2)), return_exceptions=True)
    assert (first, third) == ("key JWT 1", "key JWT 2")
    assert isinstance(second, ValueError)
    assert await signing({"n": 3}) == "key JWT 3", "and the next are signed as before"


async def test_a_library_that_panics_leaves_nobody_waiting() -> None:
    class Panic(BaseException):
        """What the cryptography library raises when it meets a bug of its own."""

    class Broken(Key):
        def sign(self, claims: Mapping[str, Any], typ: str = "JWT") -> str:
            if claims["n"] == 1:
                raise Panic
            return super().sign(claims, typ)

    key = Broken()
    signing = Signing(lambda: key)
    asked = [asyncio.ensure_future(signing({"n": n})) for n in range(12)]
    async with asyncio.timeout(10):
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(answers.pop(1), Panic)
    assert answers == [f"key JWT {n}" for n in range(12) if n != 1]


async def test_nothing_is_signed_for_whoever_is_gone() -> None:
    key = Key()
    signing = Signing(lambda: key)
    gone = asyncio.create_task(ask(signing, key, 1))
    stays = asyncio.create_task(ask(signing, key, 2))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == "key JWT 2"
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert "signed 1" not in key.told


async def test_the_key_is_the_one_of_the_moment_of_asking() -> None:
    old, new = Key("old"), Key("new")
    current = [old]
    signing = Signing(lambda: current[0])
    waiting = signing({"n": 1}, "at+jwt")
    current[0] = new
    assert await waiting == "old at+jwt 1"
    assert await signing({"n": 2}) == "new JWT 2"
    assert await signing({"n": 3}, signer=old) == "old JWT 3"
