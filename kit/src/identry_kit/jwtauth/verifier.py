"""A verifier: a token in, its claims out, or InvalidToken. The order of the checks is contracts/platform-api.md §9.

shape → header (alg, kid) → key → signature → iss, aud, type → times → the revocation hook.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from typing import TypeAlias

from identry_kit.apierror import ServiceUnavailable
from identry_kit.jwtauth.claims import AnyAudience, Claims, Policy, audience_set
from identry_kit.jwtauth.compact import MAX_TOKEN, Header, cut, decode_segment, read_header, read_object
from identry_kit.jwtauth.errors import InvalidToken, KeysUnavailable, place_of
from identry_kit.jwtauth.keys import ALGORITHMS, Key, Keys
from identry_kit.jwtauth.secret import HS256, SecretKey, SharedSecret

RevocationHook: TypeAlias = Callable[[str, Claims], Awaitable[None] | None]
"""Gets the raw token and its claims after everything else was right. Raising anything refuses the token."""

_log = logging.getLogger("identry_kit.jwtauth")
_new = object.__new__
BEARER = b"Bearer "
_MAX_HEADERS = 64
_TAIL = 32
"""Characters at the end of a token, all of its signature: what two tokens that were verified do not share."""
_ASYNC_HOOK = "the revocation hook is asynchronous: it cannot be asked without waiting, use `await verifier.verify(…)`"


def wall_clock() -> float:
    """Seconds since the epoch: the default of everything here that takes a `clock`."""
    return time.time()  # noqa: TID251 - the kit's one reading of the clock; tests and the server pass their own


class Verifier:
    """Verifies tokens of one issuer for one audience (or several, or `ANY_AUDIENCE`).

    - `keys`: `JWKSCache`, `StaticKeys`, or, for the one service that also makes the tokens, `SharedSecret`.
    - `issuer`: compared exactly; empty is not enforced, and warned of.
    - `audience`: mandatory, so that nobody forgets it. An empty collection refuses everything.
    - `algorithms`: RS256 unless said otherwise; the header's must be one of them and the key's own. With a
      `SharedSecret` it is HS256 and nothing else; without one HS256 cannot be selected.
    - `token_type`: a `type` claim, when present, must be this; None does not look.
    - `leeway`: seconds, on exp, nbf and iat.
    - `cache_size`: verified tokens are remembered, letter by letter, until they expire; their key must still be there
      and the hook still agree, each time. The memory belongs to this verifier alone: at most `cache_size` tokens of
      `max_token` bytes (about 4 KB each with their claims, as Identry makes them), the oldest going first.
    - `revocation`: called last, on every way to a claim, see `RevocationHook`. An asynchronous one cannot be asked
      without waiting: `verify_now` then raises RuntimeError.
    """

    def __init__(
        self,
        keys: Keys | SharedSecret,
        *,
        issuer: str,
        audience: str | Collection[str] | AnyAudience,
        algorithms: Collection[str] | None = None,
        token_type: str | None = "access",  # noqa: S107 - a kind of token, not a secret
        leeway: float = 60.0,
        required: Collection[str] = ("sub",),
        max_token: int = MAX_TOKEN,
        cache_size: int = 4096,
        clock: Callable[[], float] = wall_clock,
        revocation: RevocationHook | None = None,
    ) -> None:
        self._algorithms = _allowed(keys, algorithms)
        if not 0 <= leeway < 3600:
            msg = "leeway is a number of seconds below an hour"
            raise ValueError(msg)
        if not issuer:
            _log.warning("tokens of any issuer are accepted: no issuer is configured")
        self._keys = keys
        self._kid_required = not isinstance(keys, SharedSecret)
        self._policy = Policy(issuer, audience_set(audience), token_type, leeway, frozenset(required))
        self._max_token = max_token
        self._clock = clock
        self._revocation = revocation
        self._hook_is_async = _is_async(revocation)
        self._cache_size = cache_size
        self._verified: dict[bytes, tuple[bytes, Claims, Key | SecretKey, float, float]] = {}
        """By the end of the signature, and with `Bearer ` before it, as it comes in a header: the hash of a whole token
        alone would cost half a microsecond.
        """
        self._headers: dict[bytes, Header] = {}

    def verify_now(self, token: str) -> Claims:
        """The claims of `token`, without waiting; the revocation hook, if it is not asynchronous, is asked.

        Raises InvalidToken, or KeysUnavailable when the key would have to be fetched first (never with StaticKeys), or
        another ServiceUnavailable from the hook; RuntimeError when the hook is asynchronous.
        """
        if self._hook_is_async:
            raise RuntimeError(_ASYNC_HOOK)
        waiting: Awaitable[None] | None = None
        try:
            claims = self._verify_now(token)
            if self._revocation is not None:
                waiting = self._call(self._revocation, token, claims)
        except (InvalidToken, ServiceUnavailable):
            raise
        except Exception as error:
            _log.error("verification failed: %s", place_of(error))
        else:
            if waiting is None:
                return claims
            if inspect.iscoroutine(waiting):
                waiting.close()
            raise RuntimeError(_ASYNC_HOOK)
        raise InvalidToken("refused")

    async def verify(self, token: str) -> Claims:
        """The claims of `token`; keys are fetched when needed, the revocation hook is asked.

        Raises InvalidToken; KeysUnavailable (or another ServiceUnavailable, from the hook) when nobody can tell.
        """
        try:
            octets = self._octets(token)
            claims = self._remembered(BEARER + octets) if self._verified else None
            if claims is None:
                claims = await self._verify(octets)
            if self._revocation is not None:
                await self._ask(self._revocation, token, claims)
        except (InvalidToken, ServiceUnavailable):
            raise
        except Exception as error:
            _log.error("verification failed: %s", place_of(error))
        else:
            return claims
        raise InvalidToken("refused")

    def forget(self) -> None:
        """Drop every remembered token."""
        self._verified.clear()

    def _verify_now(self, token: str) -> Claims:
        octets = self._octets(token)
        if self._verified and (claims := self._remembered(BEARER + octets)) is not None:
            return claims
        parts = cut(octets)
        header = self._header(parts[0])
        key = self._keys.peek(header.kid)
        if key is None and not self._keys.complete:
            raise KeysUnavailable
        return self._finish(octets, parts, header, key)

    async def _verify(self, octets: bytes) -> Claims:
        parts = cut(octets)
        header = self._header(parts[0])
        key = self._keys.peek(header.kid) or await self._keys.get(header.kid)
        return self._finish(octets, parts, header, key)

    async def _ask(self, hook: RevocationHook, token: str, claims: Claims) -> None:
        """An outage of what the hook asks is a 503; anything else that it raises means: revoked."""
        waiting = self._call(hook, token, claims)
        if waiting is None:
            return
        try:
            await waiting
        except ServiceUnavailable:
            raise
        except Exception as error:
            _log.info("token revoked: %s", place_of(error))
        else:
            return
        raise InvalidToken("revoked", "token revoked")

    @staticmethod
    def _call(hook: RevocationHook, token: str, claims: Claims) -> Awaitable[None] | None:
        """The hook's first half; what must still be awaited, if anything. Raises as `_ask` does."""
        try:
            waiting = hook(token, claims)
            return waiting if inspect.isawaitable(waiting) else None
        except ServiceUnavailable:
            raise
        except Exception as error:
            _log.info("token revoked: %s", place_of(error))
        raise InvalidToken("revoked", "token revoked")

    def seen(self, credentials: bytes) -> Claims | None:
        """The claims of a token that was verified before and needs nobody to be asked again; None: `verify` it.

        It takes a whole `Authorization: Bearer <token>` as it came: whoever only looks it up need not cut it first.
        """
        return self._remembered(credentials) if self._revocation is None else None

    def _remembered(self, credentials: bytes) -> Claims | None:
        """The claims of a token verified before, if its key is still the current one and its time has not passed."""
        try:
            verified, claims, key, valid_from, valid_until = self._verified[credentials[-_TAIL:]]
        except KeyError:
            return None
        if verified != credentials:
            return None
        current = self._keys.peek(key.kid)
        # Another key, or none: gone, replaced, or so old that it must be asked for again. Take the whole way.
        if (current is key or current == key) and valid_from <= self._clock() < valid_until:
            return claims
        self._verified.pop(credentials[-_TAIL:], None)
        return None

    def _octets(self, token: object) -> bytes:
        if not isinstance(token, str) or len(token) > self._max_token or not token.isascii():
            raise InvalidToken("not ASCII text, or too long")
        return token.encode()

    def _header(self, text: bytes) -> Header:
        return self._headers.get(text) or read_header(text, self._algorithms, kid_required=self._kid_required)

    def _finish(
        self, token: bytes, parts: tuple[bytes, bytes, bytes, bytes], header: Header, key: Key | SecretKey | None
    ) -> Claims:
        header_text, payload_text, signature, signing_input = parts
        if key is None:
            raise InvalidToken("unknown key")
        if header.alg != key.alg:
            raise InvalidToken("alg is not the key's")
        if not key.verify(signature, signing_input):
            raise InvalidToken("signature")
        payload = read_object(decode_segment(payload_text))
        since, until = self._policy.check(payload, self._clock())
        claims = _new(Claims)  # until Python 3.13 a class that is called goes through C and back
        Claims.__init__(claims, payload, key.kid)
        if self._cache_size > 0:
            while len(self._verified) >= self._cache_size:
                self._verified.pop(next(iter(self._verified)), None)
            self._verified[token[-_TAIL:]] = (BEARER + token, claims, key, since, until)
        # Every token of a key begins with the same header. Only verified ones are kept, so nobody can fill this.
        if header_text not in self._headers and len(self._headers) < _MAX_HEADERS:
            self._headers[header_text] = header
        return claims


def _allowed(keys: Keys | SharedSecret, algorithms: Collection[str] | None) -> frozenset[str]:
    """The allow-list that fits the keys. A secret and public keys never share one: row 1 of SECURITY §2."""
    possible = HS256 if isinstance(keys, SharedSecret) else ALGORITHMS
    usual = HS256 if isinstance(keys, SharedSecret) else frozenset({"RS256"})
    chosen = usual if algorithms is None else frozenset(algorithms)
    if not chosen or not chosen <= possible:
        msg = f"algorithms must be among {sorted(possible)} with {type(keys).__name__}"
        raise ValueError(msg)
    return chosen


def _is_async(hook: object) -> bool:
    """Whether calling `hook` surely gives something to await."""
    return inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(getattr(hook, "__call__", None))  # noqa: B004 - asked whether it is a coroutine function, not whether it is callable
