"""The claims of a verified token, and the rules they must meet."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Final

from identry_kit.jwtauth.errors import InvalidToken

_END_OF_TIME = 253_402_300_800
"""The year 10000: what lies behind it no calendar type can hold."""
_MAX_TEXT = 1024
_MAX_AUDIENCES = 64
_INSTANTS = ("exp", "nbf", "iat")
_TEXTS = ("iss", "sub", "jti", "sid")
_ALWAYS = itemgetter("exp", "iat", "sub", "iss", "aud")


class AnyAudience:
    """The type of `ANY_AUDIENCE`."""

    def __repr__(self) -> str:
        return "ANY_AUDIENCE"


ANY_AUDIENCE: Final = AnyAudience()
"""Says in so many words that tokens made for somebody else are accepted too."""


class Claims(Mapping[str, Any]):
    """The claims of a verified token: a read-only mapping with typed attributes. It owns the dictionary it is given.

    It is read-only inside too: lists come out as tuples, objects as read-only mappings.

    Times are seconds since the epoch. `repr` shows no personal data. `kid` is the id of the key that verified them.
    """

    __slots__ = ("_claims", "exp", "kid", "memo", "sub")

    def __init__(self, claims: dict[str, Any], kid: str = "") -> None:
        self._claims = claims
        self.exp: float = claims.get("exp", 0)
        self.sub: str = claims.get("sub", "")
        self.kid = kid
        self.memo: tuple[object, Any] | None = None
        """What somebody (the first) made of these claims (the second), so that it need not be made again."""

    def __getitem__(self, name: str) -> Any:
        value = self._claims[name]
        return _frozen(value) if type(value) in _CONTAINERS else value

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
    def aud(self) -> tuple[str, ...]:
        """For whom the token was made."""
        return strings(self.get("aud"))

    @property
    def iss(self) -> str:
        """Who made it."""
        return self.text("iss")

    @property
    def iat(self) -> float:
        """When it was made; 0 when it does not say."""
        iat: float = self._claims.get("iat", 0)
        return iat

    @property
    def nbf(self) -> float:
        """From when it is good; 0 when it does not say."""
        nbf: float = self._claims.get("nbf", 0)
        return nbf

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
        return strings(self.get("amr"))


_CONTAINERS = frozenset({list, dict})


def _frozen(value: Any) -> Any:
    """Containers made read-only, all the way down: claims are shared by every request that brings the same token."""
    if isinstance(value, list):
        return tuple([_frozen(item) if type(item) in _CONTAINERS else item for item in value])
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
    _issuer: object = field(init=False, repr=False, compare=False)
    _audiences: frozenset[str] = field(init=False, repr=False, compare=False)
    """Both as claims may be, so that a claim equal to one need not be looked at again; else nothing equals them."""

    def __post_init__(self) -> None:
        audiences = frozenset() if isinstance(self.audience, AnyAudience) else filter(_is_text, self.audience)
        object.__setattr__(self, "_issuer", self.issuer if _is_text(self.issuer) else object())
        object.__setattr__(self, "_audiences", frozenset(audiences))

    def check(self, claims: Mapping[str, Any], now: float) -> tuple[float, float]:
        """From when and until when `claims` (as parsed, lists still lists) are accepted, the leeway counted in.

        Raises InvalidToken with the first rule that they break.
        """
        if not self._usual(claims) and (reason := _shapes(claims) or self._meaning(claims)):
            raise InvalidToken(reason)
        nbf, iat, leeway = claims.get("nbf", 0), claims.get("iat", 0), self.leeway
        since, until = max(nbf, iat) - leeway, claims["exp"] + leeway
        if now >= until:
            raise InvalidToken("expired")
        if now < since:
            raise InvalidToken("not yet valid")
        return since, until

    def _usual(self, claims: Mapping[str, Any]) -> bool:
        """A quick yes to claims as they nearly always are; False says nothing yet: `_shapes` and `_meaning` do."""
        get, kind = claims.get, self.token_type
        try:
            exp, iat, sub, issuer, audience = _ALWAYS(claims)
        except KeyError:
            return False
        nbf, jti, sid = get("nbf", 0), get("jti", "-"), get("sid", "-")
        if not (type(exp) is type(iat) is type(nbf) is int and 0 < exp < _END_OF_TIME > nbf >= 0 <= iat < _END_OF_TIME):
            return False
        if not (type(sub) is type(jti) is type(sid) is str and sub and jti and sid):
            return False
        texts = f"{sub}{jti}{sid}"
        if len(texts) > _MAX_TEXT or not texts.isprintable():
            return False
        if type(audience) is list and len(audience) == 1:
            audience = audience[0]
        if type(audience) is not str or audience not in self._audiences or issuer != self._issuer:
            return False
        for name in self.required:
            if name not in claims:
                return False
        return kind is None or get("type", kind) == kind

    def _meaning(self, claims: Mapping[str, Any]) -> str:
        for name in self.required:
            if name not in claims:
                return f"{name} missing"
        if self.issuer and claims.get("iss") != self.issuer:
            return "issuer"
        if not isinstance(self.audience, AnyAudience):
            audience = claims.get("aud", ())
            if self.audience.isdisjoint((audience,) if isinstance(audience, str) else audience):
                return "audience"
        if self.token_type is not None and claims.get("type", self.token_type) != self.token_type:
            return "type"
        return ""


def audience_set(audience: str | Collection[str] | AnyAudience) -> frozenset[str] | AnyAudience:
    """The argument `audience` of a verifier, checked: an empty text is a mistake, an empty collection refuses all."""
    if isinstance(audience, AnyAudience):
        return audience
    names = frozenset({audience} if isinstance(audience, str) else audience)
    if "" in names:
        msg = "an audience is a non-empty text; to accept any, say ANY_AUDIENCE"
        raise ValueError(msg)
    return names


def _shapes(claims: Mapping[str, Any]) -> str:
    """The first registered claim (RFC 7519 §4.1) that is not of its type; `exp` too when there is none."""
    for name in _INSTANTS:
        if not _is_instant(claims.get(name, 0)):
            return name
    for name in _TEXTS:
        if name in claims and not _is_text(claims[name]):
            return name
    audience = claims.get("aud", "-")
    if type(audience) is list:
        if not 0 < len(audience) <= _MAX_AUDIENCES or not all(_is_text(name) for name in audience):
            return "aud"
    elif not _is_text(audience):
        return "aud"
    return "" if "exp" in claims else "exp"


def _is_instant(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -_END_OF_TIME < value < _END_OF_TIME  # NaN and infinities fail too


def _is_text(value: object) -> bool:
    return type(value) is str and 0 < len(value) <= _MAX_TEXT and value.isprintable()
