"""An issuer in the same process: it mints, publishes its keys, rotates them, and breaks on request."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import uuid4

from identry_kit.testing.clock import MovableClock
from identry_kit.testing.keypair import KeyPair, b64
from identry_kit.testing.recipes import RECIPES, Page, Recipe, page

if TYPE_CHECKING:
    import httpx2

    from identry_kit.testing.loopback import Loopback

ISSUER: Final = "https://socrate.example.com"
AUDIENCE: Final = "my-app"
SUBJECT: Final = "42"
TENANT: Final = "00000000-0000-4000-8000-000000000001"
TTL: Final = 15 * 60
"""Seconds that a token lives unless `exp` says otherwise."""
JWKS_PATH: Final = "/.well-known/jwks.json"
DISCOVERY_PATH: Final = "/.well-known/openid-configuration"


@lru_cache(maxsize=3)
def _usual_key(alg: str) -> KeyPair:
    """The first key of every issuer with this algorithm: making one takes a tenth of a second."""
    return KeyPair(alg)


class Issuer:
    """An issuer of tokens for tests.

    `issuer` and `audience` go into the tokens, `clock` says when it is (the issuer's own `MovableClock` unless given),
    `alg` is RS256, ES256 or EdDSA. The keys are at `jwks_url`, either over HTTP on the loopback interface (`start`, or
    use it as a context manager; no event loop is needed), or, without a socket, through the `transport` of an
    `httpx2.AsyncClient`: `JWKSCache(issuer.jwks_url, http=AsyncClient(transport=issuer.transport()))`.

    `recipe` says how requests are answered (`Recipe`), `delay` how many seconds each takes; `fetches` counts those for
    the keys.
    """

    def __init__(
        self,
        *,
        issuer: str = ISSUER,
        audience: str = AUDIENCE,
        clock: Callable[[], float] | None = None,
        alg: str = "RS256",
    ) -> None:
        self.issuer = issuer
        self.audience = audience
        self.clock = MovableClock() if clock is None else clock
        self.delay = 0.0
        self.fetches = 0
        self._counting = threading.Lock()
        self.key = _usual_key(alg)
        self.published: list[KeyPair] = [self.key]
        self._recipe: Recipe = "good"
        self._changed = threading.Event()
        self._server: Loopback | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def start(self) -> Self:
        """Answer over HTTP at `url`, from a thread of its own."""
        if self._server is None:
            from identry_kit.testing.loopback import Loopback  # who takes the transport needs no server

            self._server = Loopback(self)
        return self

    def stop(self) -> None:
        """Close the port and end the thread; what waits is let go."""
        server, self._server = self._server, None
        if server is not None:
            self._changed.set()
            server.close()

    @property
    def url(self) -> str:
        """Where it answers: `http://127.0.0.1:<port>` once started, else the issuer's name (for the transport)."""
        return self.issuer if self._server is None else self._server.url

    @property
    def jwks_url(self) -> str:
        """The address of the key set."""
        return self.url + JWKS_PATH

    def transport(self) -> httpx2.MockTransport:
        """The issuer as the transport of an `httpx2.AsyncClient`: the same answers without a socket."""
        from identry_kit.testing.wire import transport  # loads an HTTP client

        return transport(self)

    # Tokens

    def mint(self, *, header: Mapping[str, Any] | None = None, key: KeyPair | None = None, **claims: Any) -> str:
        """A user's access token. `claims` and `header` are laid over the good ones; `...` leaves one out.

        `key` signs instead of the current one. Nothing is checked: what nobody should sign is signed too.
        """
        return self._sign({**self._times(), **self._authentication(), **_USER, **claims}, header, key)

    def mint_service(
        self, app_id: int = 7, *, header: Mapping[str, Any] | None = None, key: KeyPair | None = None, **claims: Any
    ) -> str:
        """A service's access token: `sub` is `app:<app_id>`, no user's claims."""
        service = {"sub": f"app:{app_id}", "type": "access", "scope": "api"}
        return self._sign({**self._times(), **service, **claims}, header, key)

    def mint_id_token(
        self,
        access_token: str = "",
        *,
        header: Mapping[str, Any] | None = None,
        key: KeyPair | None = None,
        **claims: Any,
    ) -> str:
        """An ID token, its `at_hash` that of `access_token`: never good as an access token."""
        person = {
            "sub": SUBJECT,
            "type": "id_token",
            "nonce": "nonce",
            "at_hash": b64(hashlib.sha256(access_token.encode()).digest()[:16]),
            "email": "user@example.com",
            "email_verified": True,
            "name": "User",
            "preferred_username": "user@example.com",
        }
        return self._sign({**self._times(), **self._authentication(), **person, **claims}, header, key)

    def _times(self) -> dict[str, Any]:
        now = int(self.clock())
        return {
            "iss": self.issuer,
            "aud": [self.audience],
            "iat": now,
            "nbf": now,
            "exp": now + TTL,
            "jti": str(uuid4()),
        }

    def _authentication(self) -> dict[str, Any]:
        now = int(self.clock())
        return {"auth_time": now, "amr": ["pwd"], "acr": "pwd", "role": "user", "app_roles": {}}

    def _sign(self, claims: Mapping[str, Any], header: Mapping[str, Any] | None, key: KeyPair | None) -> str:
        signer = key or self.key
        usual = {"alg": signer.alg, "kid": signer.kid, "typ": "JWT"}
        return signer.token(_said(claims), _said({**usual, **(header or {})}))

    # Keys

    def rotate(self, *, keep_old: bool = True) -> KeyPair:
        """Sign with a new key from now on and return it; the old ones stay published unless `keep_old` says no."""
        self.key = KeyPair(self.key.alg)
        self.published = [*self.published, self.key] if keep_old else [self.key]
        return self.key

    @property
    def jwks(self) -> dict[str, Any]:
        """The published key set."""
        return {"keys": [key.jwk for key in self.published]}

    @property
    def discovery(self) -> dict[str, Any]:
        """The metadata of OpenID Connect Discovery 1.0 §3, as far as a verifier reads it."""
        return {
            "issuer": self.issuer,
            "jwks_uri": self.jwks_url,
            "authorization_endpoint": f"{self.url}/oauth/authorize",
            "token_endpoint": f"{self.url}/oauth/token",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self.key.alg],
        }

    # Answers

    @property
    def recipe(self) -> Recipe:
        """How requests are answered now; assign another, `"good"` to repair."""
        return self._recipe

    @recipe.setter
    def recipe(self, recipe: Recipe) -> None:
        if recipe not in RECIPES:
            msg = f"a recipe is one of {', '.join(RECIPES)}"
            raise ValueError(msg)
        self._recipe = recipe
        self._changed.set()
        if recipe == "slow":
            self._changed = threading.Event()

    @property
    def changed(self) -> threading.Event:
        """Set when a `slow` answer may go on."""
        return self._changed

    def answer(self, path: str) -> Page:
        """The answer to `GET path` under the present recipe; a fetch of the keys is counted."""
        path = path.partition("?")[0]
        if path == JWKS_PATH:
            with self._counting:
                self.fetches += 1
            return page(self._recipe, self.jwks, f"{self.url}{JWKS_PATH}?moved=1")
        if path == DISCOVERY_PATH:
            return page(self._recipe, self.discovery, f"{self.url}{DISCOVERY_PATH}?moved=1")
        return Page(404, {"Content-Type": "application/json"}, b'{"error":{"code":"not_found","message":"not found"}}')


_USER: Final[Mapping[str, Any]] = {
    "sub": SUBJECT,
    "type": "access",
    "scope": "openid",
    "roles": ["user"],
    "token_version": 1,
    "tenant_id": TENANT,
}


def _said(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not ...}
