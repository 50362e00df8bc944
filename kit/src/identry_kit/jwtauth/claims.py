"""The claims of a verified token, and the rules they must meet."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from types import MappingProxyType
from typing import Any, Final

from identry_kit.jwtauth.errors import InvalidToken

_END_OF_TIME = 253_402_300_800
"""The year 10000: what lies behind it no calendar type can hold."""
_MAX_TEXT = 1024
_MAX_AUDIENCES = 64


class AnyAudience:
    """The type of `ANY_AUDIENCE`."""

    def __repr__(self) -> str:
        return "ANY_AUDIENCE"


ANY_AUDIENCE: Final = AnyAudience()
"""Says in so many words that tokens made for somebody else are accepted too."""


class Claims(Mapping[str, Any]):
    """The claims of a verified token: a read-only mapping (also inside: lists are tuples) with typed attributes.

    Times are seconds since the epoch. `repr` shows no personal data.
    """

    __slots__ = ("_claims", "aud", "exp", "iat", "iss", "kid", "memo", "nbf", "sub")

    def __init__(self, claims: dict[str, Any], kid: str = "") -> None:
        self._claims = {name: _frozen(value) if type(value) in _CONTAINERS else value for name, value in claims.items()}
        audience = self._claims.get("aud", ())
        self.aud: tuple[str, ...] = (audience,) if isinstance(audience, str) else audience
        self.exp: float = claims.get("exp", 0)
        self.iat: float = claims.get("iat", 0)
        self.nbf: float = claims.get("nbf", 0)
        self.iss: str = claims.get("iss", "")
        self.sub: str = claims.get("sub", "")
        self.kid = kid
        self.memo: tuple[object, object] | None = None
        """What somebody (the first) made of these claims (the second), so that it need not be made again."""

    def __getitem__(self, name: str) -> Any:
        return self._claims[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._claims)

    def __len__(self) -> int:
        return len(self._claims)

    def __repr__(self) -> str:
        return f"Claims(iss={self.iss!r}, sub={self.sub!r}, jti={self.jti!r}, exp={self.exp!r})"

    def text(self, name: str) -> str:
        """The claim as text; `""` when it is absent or not text."""
        value = self._claims.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int:
        """The claim as a whole number; 0 when it is absent or not a finite number."""
        value = self._claims.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            return 0
        return int(value)

    @property
    def jti(self) -> str:
        """The token's id."""
        return self.text("jti")

    @property
    def sid(self) -> str:
        """The session's id."""
        return self.text("sid")

    @property
    def token_version(self) -> int:
        """The user's token version when the token was made (`tokenVersion` or `token_version`), else 0."""
        return self.number("tokenVersion") or self.number("token_version")

    @property
    def auth_time(self) -> int:
        """When the user proved who they are."""
        return self.number("auth_time")

    @property
    def amr(self) -> tuple[str, ...]:
        """By which means (RFC 8176)."""
        return strings(self._claims.get("amr"))


_CONTAINERS = frozenset({list, dict})


def _frozen(value: Any) -> Any:
    """Containers made read-only, all the way down: claims are shared by every request that brings the same token."""
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, dict):
        return MappingProxyType({name: _frozen(item) for name, item in value.items()})
    return value


def strings(value: object) -> tuple[str, ...]:
    """`value` when it is a tuple of texts, a text as a tuple of one, anything else as an empty one."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        return value
    return ()


@dataclass(frozen=True, slots=True)
class Policy:
    """What a token must say. `issuer` empty: not checked. `token_type` None: the claim `type` is not looked at.

    `leeway` in seconds, for exp, nbf and iat. `required` are claims that must be there (exp always is).
    """

    issuer: str
    audience: frozenset[str] | AnyAudience
    token_type: str | None = "access"  # noqa: S105 - a kind of token, not a secret
    leeway: float = 60.0
    required: frozenset[str] = frozenset({"sub"})

    def check(self, claims: Mapping[str, Any], now: float) -> None:
        """Raise InvalidToken with the first rule that `claims` (as parsed, lists still lists) break."""
        for rule in (self._shapes, self._issuer, self._audience, self._type):
            if reason := rule(claims):
                raise InvalidToken(reason)
        if now >= claims["exp"] + self.leeway:
            raise InvalidToken("expired")
        if now < self.valid_from(claims):
            raise InvalidToken("not yet valid")

    def valid_from(self, claims: Mapping[str, Any]) -> float:
        """The first instant at which `claims` are accepted: the later of nbf and iat, less the leeway."""
        return float(max(claims.get("nbf", 0), claims.get("iat", 0))) - self.leeway

    def _shapes(self, claims: Mapping[str, Any]) -> str:
        for name in ("exp", "nbf", "iat"):
            if name in claims and not _is_instant(claims[name]):
                return name
        for name in ("iss", "sub", "jti", "sid"):
            if name in claims and not _is_text(claims[name]):
                return name
        if "aud" in claims and not _is_audience(claims["aud"]):
            return "aud"
        if "exp" not in claims:
            return "exp"
        for name in self.required:
            if name not in claims:
                return f"{name} missing"
        return ""

    def _issuer(self, claims: Mapping[str, Any]) -> str:
        return "issuer" if self.issuer and claims.get("iss") != self.issuer else ""

    def _audience(self, claims: Mapping[str, Any]) -> str:
        if isinstance(self.audience, AnyAudience):
            return ""
        audience = claims.get("aud", ())
        named = (audience,) if isinstance(audience, str) else audience
        return "audience" if self.audience.isdisjoint(named) else ""

    def _type(self, claims: Mapping[str, Any]) -> str:
        return "type" if self.token_type is not None and claims.get("type", self.token_type) != self.token_type else ""


def audience_set(audience: str | Collection[str] | AnyAudience) -> frozenset[str] | AnyAudience:
    """The argument `audience` of a verifier, checked: an empty text is a mistake, an empty collection refuses all."""
    if isinstance(audience, AnyAudience):
        return audience
    names = frozenset({audience} if isinstance(audience, str) else audience)
    if "" in names:
        msg = "an audience is a non-empty text; to accept any, say ANY_AUDIENCE"
        raise ValueError(msg)
    return names


def _is_instant(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -_END_OF_TIME < value < _END_OF_TIME  # NaN and infinities fail too


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_TEXT and value.isprintable()


def _is_audience(value: object) -> bool:
    if isinstance(value, str):
        return _is_text(value)
    return isinstance(value, list) and 0 < len(value) <= _MAX_AUDIENCES and all(_is_text(item) for item in value)
