"""The issuer's published keys: one state machine that survives an issuer's bad day.

Its table is contracts/kit.md §4.1. Time is `clock` (seconds, monotonic); a fetch is shared by everyone who waits for
it and outlives the one who started it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Callable
from ipaddress import ip_address
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from identry_kit.jwtauth.errors import KeysUnavailable
from identry_kit.jwtauth.keys import ALGORITHMS, Key

if TYPE_CHECKING:
    import httpx2

FRESH = 3600.0
COOLDOWN = 15.0
NEGATIVE_TTL = 30.0
MAX_NEGATIVE = 1000
MAX_STALE = 24 * 3600.0
UNATTENDED = 2 * FRESH
"""Seconds without an attempt to fetch after which a stale key serves nobody before the next attempt has ended."""
MAX_DOCUMENT = 1 << 20
MAX_KEYS = 100
FETCH_TIMEOUT = 10.0


class FetchFailed(Exception):
    """One fetch did not bring a usable key set; the text says why."""


class JWKSCache:
    """Keys from `url`, fetched when needed.

    A known key is good for an hour without asking. Then the set is fetched again while the known key serves: nobody
    waits for that, unless nothing was asked for two hours, in which a key may have been removed. While fetching fails
    the known keys stay good, up to `max_stale` seconds after the last success. An unknown `kid` causes a fetch, but
    never two within 15 seconds, and never again for the same `kid` within 30. A successful fetch replaces the whole
    set: a removed key is dead.

    `cold_start_401`: as long as no set was ever fetched a key is called unknown, so its tokens get 401. Unless this is
    said, that is a 503 (`KeysUnavailable`): what cannot be told is not told to be bad.

    Held in memory: the keys of one document of at most 1 MiB, 100 keys; 1,000 missing key ids. For gauges: `age`,
    `fetches`, `failures` (since the last success) and `stale_uses`.

    `url` must be https; http is accepted on the loopback interface only. Redirects are not followed. `http` is a
    client of your own (proxies, private certificate authorities); it is not closed.
    """

    complete = False

    def __init__(
        self,
        url: str,
        *,
        http: httpx2.AsyncClient | None = None,
        clock: Callable[[], float] = monotonic,
        max_stale: float = MAX_STALE,
        cold_start_401: bool = False,
        logger: logging.Logger | None = None,
    ) -> None:
        self.url = _checked_url(url)
        self._http = http
        self._own_http = http is None
        self._clock = clock
        self._max_stale = max_stale
        self._cold_start_401 = cold_start_401
        self._log = logger or logging.getLogger("identry_kit.jwks")
        self._keys: dict[str, Key] = {}
        self._negative: dict[str, float] = {}
        self._fetched_at: float | None = None
        self._attempted_at: float | None = None
        self._flight: asyncio.Task[bool] | None = None
        self.fetches = 0
        self.failures = 0
        self.stale_uses = 0

    @property
    def age(self) -> float | None:
        """Seconds since the last successful fetch, for a gauge; None before the first."""
        return None if self._fetched_at is None else self._clock() - self._fetched_at

    def peek(self, kid: str) -> Key | None:
        """The key if it is known and at most an hour old."""
        fetched_at = self._fetched_at
        if fetched_at is None or self._clock() - fetched_at > FRESH:
            return None
        return self._keys.get(kid)

    async def get(self, kid: str) -> Key | None:
        """The key, fetched if need be; None when the issuer does not publish it.

        Raises KeysUnavailable when no set was ever fetched, or the last one is older than `max_stale`.
        """
        key = self.peek(kid)
        if key is not None:
            return key
        now = self._clock()
        known = kid in self._keys
        if not known and self._negative.get(kid, 0.0) > now:
            return self._without_fetch(kid)
        quiet_for = math.inf if self._attempted_at is None else now - self._attempted_at
        if self._flight is None and quiet_for < COOLDOWN:
            return self._without_fetch(kid)
        if known and not self._too_old() and quiet_for <= UNATTENDED:
            # Who knows a key need not wait for a newer one; who does not shares the fetch.
            self._start_fetch()
            return self._without_fetch(kid)
        if not await self._fetch_shared():
            return self._without_fetch(kid)
        key = self._keys.get(kid)
        if key is None:
            self._remember_missing(kid)
        return key

    async def refresh(self) -> bool:
        """Fetch now, whatever the age (for start-up and for tests); False when it failed."""
        return await self._fetch_shared()

    async def aclose(self) -> None:
        """End a fetch under way and close the HTTP client if it is this cache's own."""
        flight, self._flight = self._flight, None
        if flight is not None:
            flight.cancel()
            await asyncio.gather(flight, return_exceptions=True)
        if self._own_http and self._http is not None:
            await self._http.aclose()
            self._http = None

    def _too_old(self) -> bool:
        return self._fetched_at is None or self._clock() - self._fetched_at > self._max_stale

    def _without_fetch(self, kid: str) -> Key | None:
        """What can be said of `kid` from the set at hand, however stale; 503 when that is missing or too old."""
        if self._too_old():
            if self._cold_start_401 and self._fetched_at is None:
                return None
            raise KeysUnavailable
        key = self._keys.get(kid)
        if key is not None:
            self.stale_uses += 1
        return key

    def _remember_missing(self, kid: str) -> None:
        now = self._clock()
        for known in [known for known, until in self._negative.items() if until <= now]:
            del self._negative[known]
        while len(self._negative) >= MAX_NEGATIVE:
            del self._negative[next(iter(self._negative))]
        self._negative[kid] = now + NEGATIVE_TTL

    async def _fetch_shared(self) -> bool:
        """Join the fetch under way or start one. A waiter that is cancelled leaves it running."""
        return await asyncio.shield(self._start_fetch())

    def _start_fetch(self) -> asyncio.Task[bool]:
        """The fetch under way, or a new one; it never raises."""
        if self._flight is None:
            self._attempted_at = self._clock()
            self._flight = asyncio.create_task(self._fetch(), name="identry-kit-jwks")
        return self._flight

    async def _fetch(self) -> bool:
        self.fetches += 1
        try:
            async with asyncio.timeout(FETCH_TIMEOUT):
                document = await self._download()
            self._keys = self._usable(document)
        except Exception as error:  # whatever was served, the known keys stay in use
            self.failures += 1
            self._report(error)
            return False
        else:
            self.failures = 0
            self._negative.clear()
            self._fetched_at = self._clock()
            return True
        finally:
            self._flight = None

    def _report(self, error: Exception) -> None:
        """A warning while stale keys serve, an error from when tokens are refused for it."""
        age = self.age
        stale = "no keys yet" if age is None else f"keys are {age:.0f} s old"
        if age is not None and age > self._max_stale:
            stale += ", too old to be used"
        level = logging.ERROR if self._too_old() else logging.WARNING
        self._log.log(
            level, "fetching keys from %s failed (%s): %s", self.url, stale, str(error) or type(error).__name__
        )

    async def _download(self) -> bytes:
        if self._http is None:
            import httpx2  # only who fetches keys pays for loading an HTTP client

            self._http = httpx2.AsyncClient(timeout=FETCH_TIMEOUT)
        # Encoded as sent: a compressed megabyte can unfold into a gigabyte.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        async with self._http.stream("GET", self.url, headers=headers, follow_redirects=False) as response:
            if response.status_code != 200:
                raise FetchFailed(f"status {response.status_code}")
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise FetchFailed("a compressed answer")
            document = bytearray()
            async for chunk in response.aiter_raw():
                document += chunk
                if len(document) > MAX_DOCUMENT:
                    raise FetchFailed(f"more than {MAX_DOCUMENT} bytes")
        return bytes(document)

    def _usable(self, document: bytes) -> dict[str, Key]:
        """The keys of a JWK set that can be used; the bad ones are told to the log and skipped."""
        try:
            listed = json.loads(document.decode("utf-8"))["keys"]
        except (ValueError, KeyError, TypeError, RecursionError):
            listed = None
        if not isinstance(listed, list):
            raise FetchFailed("not a JWK set")
        keys: dict[str, Key] = {}
        for index, jwk in enumerate(listed[:MAX_KEYS]):
            try:
                key = Key.from_jwk(jwk)
            except Exception as error:  # a bad key must not take the good ones with it
                self._log.warning("key %d of %s skipped: %s", index, self.url, str(error) or type(error).__name__)
                continue
            if key.alg in ALGORITHMS and keys.setdefault(key.kid, key) != key:
                self._log.warning("key %d of %s skipped: its kid is taken", index, self.url)
        if not keys:
            raise FetchFailed("no usable key")
        return keys


def _checked_url(url: str) -> str:
    """Raises ValueError unless `url` is https, or http to this machine itself."""
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        msg = f"a JWKS URL is an https URL, not {parts.scheme or 'nothing'}:"
        raise ValueError(msg)
    if parts.username or parts.password:
        msg = "a JWKS URL holds no credentials"
        raise ValueError(msg)
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        msg = "a JWKS URL over http is accepted on the loopback interface only"
        raise ValueError(msg)
    return url


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
