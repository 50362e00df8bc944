"""What a provider publishes of itself: its discovery document and its keys (OpenID Connect Discovery 1.0 §4).

A document counts for an hour. While a newer one cannot be had the old one serves for a day; a provider that failed is
left alone for 15 seconds; everybody who waits for the same one shares one fetch. An issuer that a document names has
to be the one that was asked, to the letter: whoever answers for another issuer is none (ASVS 10.5.3).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import structlog

from identry.core.clock import Clock
from identry.core.outbound import OutboundError
from identry.federation.provider import ClientAuthentication, Provider, ProviderHttp, ProviderUnavailable
from identry_kit.jwtauth.keys import Keys

log = structlog.get_logger(__name__)

FRESH = 3600.0
MAX_STALE = 24 * 3600.0
COOLDOWN = 15.0
MOST = 1000
WELL_KNOWN = "/.well-known/openid-configuration"

_URL = re.compile(r"(?=[!-~]+\Z)https?://[^/?#@\\]+(?:[/?][^#\\]*)?")
"""RFC 3986 knows printable ASCII and nothing else."""
_MAX_URL = 2000


class DiscoveryFailed(ProviderUnavailable):
    """A provider's document cannot be had or used; the text says to whoever configured it what to look at."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a sign-in needs of a discovery document.

    Attributes:
        issuer: as configured, and as the document says.
        authorization_endpoint, token_endpoint, jwks_uri: https, unless the issuer itself is not.
        client_authentication: how the token endpoint wants to see the client's secret.
        algorithms: what ID tokens are signed with; empty when the document does not say.
        userinfo_endpoint: None when there is none.
        names_itself: whether every answer of the authorization endpoint says `iss` (RFC 9207 §3).
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    client_authentication: ClientAuthentication
    algorithms: frozenset[str]
    userinfo_endpoint: str | None
    names_itself: bool

    @property
    def verifiable(self) -> bool:
        """Whether ID tokens can be had under the algorithm that every provider has to offer."""
        return not self.algorithms or "RS256" in self.algorithms


@dataclass(slots=True)
class _Entry:
    metadata: Metadata | None = None
    fetched_at: float = 0.0
    failed_at: float = float("-inf")
    problem: str = ""


class Discovery:
    """Knows the documents of providers; at most `MOST` of them, the oldest are forgotten first.

    Args:
        http: bounded in time and size, and kept out of private networks.
    """

    def __init__(self, http: ProviderHttp, clock: Clock) -> None:
        self._http = http
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._flights: dict[str, asyncio.Task[Metadata]] = {}

    async def of(self, issuer: str) -> Metadata:
        """The document of an issuer.

        Raises:
            DiscoveryFailed: there is none that counts.
        """
        entry, now = self._entries.get(issuer) or _Entry(), self._clock.timestamp()
        age = now - entry.fetched_at
        if entry.metadata is not None and 0 <= age < FRESH:
            return entry.metadata
        stale = entry.metadata if 0 <= age < MAX_STALE else None
        if 0 <= now - entry.failed_at < COOLDOWN:
            if stale is None:
                raise DiscoveryFailed(entry.problem)
            return stale
        try:
            return await self.look(issuer)
        except DiscoveryFailed:
            if stale is None:
                raise
            return stale

    async def look(self, issuer: str) -> Metadata:
        """The document as it is now, fetched whatever is known; callers at the same time share the fetch.

        Raises:
            DiscoveryFailed: it cannot be had or used.
        """
        flight = self._flights.get(issuer)
        if flight is None:
            flight = self._flights[issuer] = asyncio.create_task(self._fetch(issuer), name="identry-discovery")
            flight.add_done_callback(lambda done: self._landed(issuer, done))
        return await asyncio.shield(flight)

    async def close(self) -> None:
        """End the fetches under way."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _landed(self, issuer: str, flight: asyncio.Task[Metadata]) -> None:
        self._flights.pop(issuer, None)
        if not flight.cancelled():
            flight.exception()  # looked at, also when every caller has gone

    async def _fetch(self, issuer: str) -> Metadata:
        try:
            metadata = await self._read(issuer)
        except DiscoveryFailed as failed:
            entry = self._entry(issuer)
            entry.failed_at, entry.problem = self._clock.timestamp(), str(failed)
            log.warning("a provider's discovery document cannot be used", issuer=issuer, problem=str(failed))
            raise
        self._entries.pop(issuer, None)
        entry = self._entry(issuer)
        entry.metadata, entry.fetched_at = metadata, self._clock.timestamp()
        return metadata

    def _entry(self, issuer: str) -> _Entry:
        if issuer not in self._entries:
            while len(self._entries) >= MOST:
                del self._entries[next(iter(self._entries))]
            self._entries[issuer] = _Entry()
        return self._entries[issuer]

    async def _read(self, issuer: str) -> Metadata:
        url = issuer.rstrip("/") + WELL_KNOWN
        try:
            reply = await self._http.get(url)
        except OutboundError as error:
            log.info("a provider cannot be reached", issuer=issuer, reason=str(error))
            raise DiscoveryFailed(
                f"nothing at {url} can be reached: no such name, an address that is not public, nobody who answers "
                "there, or a certificate that is not valid"
            ) from None
        if reply.status != 200:
            raise DiscoveryFailed(
                f"what is at {url} answers with status {reply.status}; it has to be 200 without a redirect"
            )
        return read_metadata(issuer, reply.body)


def read_metadata(issuer: str, document: Any) -> Metadata:
    """A decoded discovery document.

    Raises:
        DiscoveryFailed: it is of another issuer, or lacks what a sign-in needs.
    """
    if not isinstance(document, dict):
        raise DiscoveryFailed("the discovery document is no JSON object")
    if document.get("issuer") != issuer:
        told = document.get("issuer")
        shown = told if isinstance(told, str) and _URL.fullmatch(told) and len(told) <= 200 else "something else"
        raise DiscoveryFailed(f"the document says that its issuer is {shown}; the issuer has to be entered exactly so")
    modes = document.get("response_types_supported", ["code"])
    if not isinstance(modes, list) or "code" not in modes:
        raise DiscoveryFailed("the provider does not offer the authorization code flow (response_types_supported)")
    return Metadata(
        issuer=issuer,
        authorization_endpoint=_endpoint(document, "authorization_endpoint", issuer),
        token_endpoint=_endpoint(document, "token_endpoint", issuer),
        jwks_uri=_endpoint(document, "jwks_uri", issuer),
        client_authentication=_client_authentication(document),
        algorithms=_words(document.get("id_token_signing_alg_values_supported")),
        userinfo_endpoint=_endpoint(document, "userinfo_endpoint", issuer) if "userinfo_endpoint" in document else None,
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _endpoint(document: dict[str, Any], name: str, issuer: str) -> str:
    url = document.get(name)
    if not isinstance(url, str) or len(url) > _MAX_URL or not _is_url(url):
        raise DiscoveryFailed(f"the document names no {name}")
    if url.startswith("http:") and not issuer.startswith("http:"):
        raise DiscoveryFailed(f"its {name} is not https")
    return url


def _is_url(text: str) -> bool:
    """Whether whoever takes it apart will get to the end of it: brackets and port are looked at there, not before."""
    try:
        return _URL.fullmatch(text) is not None and urlsplit(text).port != 0
    except ValueError:
        return False


def _client_authentication(document: dict[str, Any]) -> ClientAuthentication:
    """What the token endpoint takes; `client_secret_basic` is what a document means that says nothing."""
    offered = document.get("token_endpoint_auth_methods_supported")
    methods = _words(offered) if offered is not None else frozenset({"client_secret_basic"})
    if "client_secret_basic" in methods:
        return "client_secret_basic"
    if "client_secret_post" in methods:
        return "client_secret_post"
    raise DiscoveryFailed(
        "the token endpoint takes a client secret neither as client_secret_basic nor as client_secret_post"
    )


def _words(value: Any) -> frozenset[str]:
    return frozenset(word for word in value if isinstance(word, str)) if isinstance(value, list) else frozenset()


class ProviderKeys:
    """The published keys of providers: one cache for each address, at most `MOST`, the oldest are forgotten first.

    Args:
        open_keys: makes the cache of an address; raises ValueError for one that cannot be asked.
    """

    def __init__(self, open_keys: Callable[[str], Keys]) -> None:
        self._open = open_keys
        self._known: dict[str, Keys] = {}

    def of(self, provider: Provider) -> Keys:
        """The keys at a provider's `jwks_uri`.

        Raises:
            ProviderUnavailable: the address cannot be asked.
        """
        return self.at(provider.jwks_uri)

    def at(self, jwks_uri: str) -> Keys:
        """The keys at an address.

        Raises:
            ProviderUnavailable: the address cannot be asked.
        """
        keys = self._known.get(jwks_uri)
        if keys is None:
            try:
                keys = self._open(jwks_uri)
            except ValueError as error:
                raise ProviderUnavailable(str(error)) from None
            while len(self._known) >= MOST:
                del self._known[next(iter(self._known))]
            self._known[jwks_uri] = keys
        return keys
