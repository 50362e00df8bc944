"""Which client is calling, and how it proved that: RFC 6749 §2.3, RFC 7523.

A client that is unknown, inactive, proves itself by another method than its own or with a wrong secret is refused in
the same words (contracts/provider-api.md §4: 401 `invalid_client`).
"""

from __future__ import annotations

import hashlib

import msgspec

from identry.core.clock import Clock
from identry.core.db import Executor
from identry.core.together import Together
from identry.oauth import assertions
from identry.oauth.assertions import Assertions
from identry.oauth.errors import InvalidClient
from identry.records import clients
from identry.records.clients import Client

_NO_HASH = bytes(32)


class Presented(msgspec.Struct, frozen=True, gc=False):
    """What a request says about its client.

    Attributes:
        client_id: who it says it is.
        secret: empty: none.
        assertion: a JWT of `private_key_jwt`; empty: none.
        basic: whether name and secret came in an `Authorization: Basic` header (a refusal then answers with one).
    """

    client_id: str
    secret: str = ""
    assertion: str = ""
    basic: bool = False


class ClientProof:
    """Tells the client of a request.

    Args:
        audiences: what the `aud` of a `private_key_jwt` may be.
    """

    def __init__(self, db: Executor, clock: Clock, audiences: tuple[str, ...] = ()) -> None:
        self._db = db
        self._clock = clock
        self._assertions = Assertions(db, clock, audiences)
        self._found = Together(self._find)

    async def __call__(self, presented: Presented) -> Client:
        """The client, active and proven by its own method; a public one has nothing to prove.

        Raises:
            InvalidClient: anything else.
            ServiceUnavailable: the database cannot tell.
        """
        assertion = assertions.read(presented.assertion) if presented.assertion else None
        client_id = presented.client_id or (assertion.client_id if assertion else "")
        found = await self._found((client_id, secret_hash(presented)))
        if found is None or not found[0].is_active:
            raise refused(presented)
        client, right_secret = found
        if client.auth_method == "none":
            proven = not presented.secret and not presented.assertion
        elif client.auth_method == "client_secret":
            proven = right_secret and not presented.assertion
        else:
            proven = assertion is not None and not presented.secret and await self._assertions.prove(assertion, client)
        if not proven:
            raise refused(presented)
        return client

    async def _find(self, presented: list[tuple[str, bytes]]) -> dict[tuple[str, bytes], tuple[Client, bool]]:
        return await clients.find_all_proven(self._db, presented, self._clock.now())


def secret_hash(presented: Presented) -> bytes:
    """What is stored of the presented secret; without one, what no secret has."""
    return hashlib.sha256(presented.secret.encode("utf-8", "surrogatepass")).digest() if presented.secret else _NO_HASH


def refused(presented: Presented) -> InvalidClient:
    """The refusal, with the challenge that RFC 6749 §5.2 wants for a client that used HTTP Basic."""
    return InvalidClient(headers={"WWW-Authenticate": 'Basic realm="oauth2"'} if presented.basic else None)
