"""Signatures, those of one moment one right after the other.

An RSA signature is half a millisecond of arithmetic that leaves nothing else in the processor's caches, so whatever
runs next runs slowly. A busy worker has several tokens to sign at any moment: it makes them in a row, then goes on with
their requests in a row (measured: decision 0092).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

_IN_A_ROW = 8
"""Then whatever else waits has its turn: four milliseconds with RSA-2048."""


class Signer(Protocol):
    """A key that signs claims: a private key of the ring, or a shared secret."""

    @property
    def alg(self) -> str:
        """Its algorithm (RFC 7518 §3.1)."""

    def sign(self, claims: Mapping[str, Any], typ: str = "JWT") -> str:
        """The claims as a compact JWS."""


class Signing:
    """Signs soon.

    Args:
        signer: gives the key that signs now.
    """

    def __init__(self, signer: Callable[[], Signer]) -> None:
        self.signer = signer
        self._waiting: list[tuple[Signer, Mapping[str, Any], str, asyncio.Future[str]]] = []

    def __call__(
        self, claims: Mapping[str, Any], typ: str = "JWT", *, signer: Signer | None = None
    ) -> asyncio.Future[str]:
        """The claims as a compact JWS, by the key that signs at the time of the call, or by `signer`.

        Raises:
            Whatever the key raises, to whoever waits for this signature.
        """
        loop = asyncio.get_running_loop()
        signed: asyncio.Future[str] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._sign)  # after all who are about to ask
        self._waiting.append((signer or self.signer(), claims, typ, signed))
        return signed

    def _sign(self) -> None:
        now, self._waiting = self._waiting[:_IN_A_ROW], self._waiting[_IN_A_ROW:]
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._sign)
        for signer, claims, typ, signed in now:
            if signed.done():  # whoever asked is gone
                continue
            try:
                signed.set_result(signer.sign(claims, typ))
            except BaseException as error:  # told to whoever waits, whatever it is: the others still get theirs
                signed.set_exception(error)
