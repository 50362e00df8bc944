"""What a client may be: the fields that its owner sets, each with its rule, and what they must be together.

One rule book for the command line, the admin routes and dynamic registration. Names are those of the columns
(`records/clients.py`); a value arrives as JSON has it and leaves as the column takes it.
Source: contracts/provider-api.md §3 `App`, §5; RFC 7591 §2, RFC 9700 §2.1, RFC 8252 §7.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from identry.oauth.redirects import refuse_unregistrable
from identry.oauth.standing import ATTRIBUTES
from identry.records.clients import Client
from identry_kit.apierror import BadRequest

GRANT_TYPES = (
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:device_code",
)
CLIENT_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}")
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_MOST = 50
_LONGEST_URL = 2048
_SHORTEST_TTL, _LONGEST_ACCESS, _LONGEST_REFRESH = 30, 86_400, 63_072_000
_PUBLIC_KEY_MEMBERS = {"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}, "OKP": {"crv", "x"}}
_PRIVATE_KEY_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
# fmt: off
_REGISTERED_CLAIMS = frozenset({
    "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "type", "scope", "client_id", "role", "roles", "app_roles",
    "token_version", "auth_time", "nonce", "acr", "amr", "azp", "cnf", "act", "at_hash", "c_hash", "s_hash",
    "sid", "user_id", "tenant_id", "plan", "email", "email_verified", "name", "preferred_username",
})
# fmt: on


class InvalidClientMetadata(BadRequest):
    """400: a field of a client breaks a rule, or does not go with another (RFC 7591 §3.2.2)."""

    code = "invalid_client_metadata"
    message = "the client's fields are not valid"


class InvalidRedirectUri(InvalidClientMetadata):
    """400: an address that no browser is sent to (RFC 7591 §3.2.2)."""

    code = "invalid_redirect_uri"
    message = "a redirect address is not acceptable"


def checked(asked: Mapping[str, Any], current: Client | None = None) -> dict[str, Any]:
    """The columns to write for what was asked.

    Args:
        asked: column → value as JSON has it (lists, texts, numbers of seconds); at creation what is left out takes a
            default that goes with the rest.
        current: the client as it is; None: it is made now.

    Raises:
        InvalidClientMetadata, InvalidRedirectUri: the message names the field and what is wrong with it.
    """
    if unknown := sorted(asked.keys() - _RULES.keys()):
        raise InvalidClientMetadata(f"{unknown[0]}: cannot be set")
    values = {name: _checked_one(name, value) for name, value in asked.items()}
    values = _defaults(values) | values if current is None else _followed(values, current)
    method = values["auth_method"] if current is None else values.get("auth_method", current.auth_method)
    values["is_public"] = method == "none"
    _require_together(lambda name: values[name] if name in values else getattr(current, name, None))
    return values


def _checked_one(name: str, value: Any) -> Any:
    try:
        return _RULES[name](value)
    except ValueError as error:
        kind = InvalidRedirectUri if name.endswith("redirect_uris") else InvalidClientMetadata
        raise kind(f"{name}: {error}") from None


def _defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a new client is where nobody said: confidential with a secret, and able to do what such a client does."""
    method = values.get("auth_method")
    if method is None:
        method = "none" if values.get("is_public") else "private_key_jwt" if values.get("jwks") else "client_secret"
    _refuse_contradiction(values, method)
    grants = ["authorization_code", "refresh_token", *([] if method == "none" else ["client_credentials"])]
    return {"auth_method": method, "grant_types": grants}


def _followed(values: dict[str, Any], current: Client) -> dict[str, Any]:
    """The change with what follows from it when a client becomes public, or confidential."""
    method = values.get("auth_method", current.auth_method)
    if "auth_method" not in values and values.get("is_public", current.is_public) != current.is_public:
        method = values["auth_method"] = "none" if values["is_public"] else "client_secret"
    _refuse_contradiction(values, method)
    if method == "none" and not current.is_public:
        kept = [grant for grant in current.grant_types if grant != "client_credentials"]
        values = {"grant_types": kept, "require_pkce": True} | values
    return values


def _refuse_contradiction(values: Mapping[str, Any], method: str) -> None:
    if "is_public" in values and values["is_public"] != (method == "none"):
        raise InvalidClientMetadata("is_public: does not go with auth_method")


def _require_together(field: Callable[[str], Any]) -> None:
    """Rules over several fields."""
    public, grants = field("auth_method") == "none", set(field("grant_types"))
    if field("auth_method") == "private_key_jwt" and not field("jwks"):
        raise InvalidClientMetadata("jwks: is required for private_key_jwt")
    if public and "client_credentials" in grants:
        raise InvalidClientMetadata("grant_types: a public client has no credentials of its own")
    if public and field("require_pkce") is False:
        raise InvalidClientMetadata("require_pkce: a public client always uses PKCE (RFC 9700 §2.1.1)")
    if "refresh_token" in grants and not grants - {"refresh_token", "client_credentials"}:
        raise InvalidClientMetadata("grant_types: refresh_token needs a grant that gives one")
    for address in (field("redirect_uris") or []) + (field("post_logout_redirect_uris") or []):
        try:
            refuse_unregistrable(address, native=bool(field("is_native")))
        except ValueError as error:
            raise InvalidRedirectUri(f"{address[:200]!r}: {error}") from None


# -- one field each --------------------------------------------------------------------------------------------------


def _line(longest: int, *, empty: bool = False) -> Callable[[Any], str | None]:
    def rule(value: Any) -> str | None:
        if empty and value in {None, ""}:
            return None
        if not isinstance(value, str) or not (text := value.strip()):
            raise ValueError("must be a text that is not empty")
        if len(text) > longest:
            raise ValueError(f"must have at most {longest} characters")
        if _CONTROL.search(text):
            raise ValueError("must not contain control characters")
        return text

    return rule


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _texts(each: Callable[[str], str]) -> Callable[[Any], list[str]]:
    def rule(value: Any) -> list[str]:
        if not isinstance(value, list) or len(value) > _MOST or not all(isinstance(item, str) for item in value):
            raise ValueError(f"must be a list of at most {_MOST} texts")
        return list(dict.fromkeys(each(item) for item in value))

    return rule


def _one_of(*words: str) -> Callable[[Any], str]:
    def rule(value: Any) -> str:
        if value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return str(value)

    return rule


def _scope(value: str) -> str:
    if not _SCOPE.fullmatch(value):
        raise ValueError("holds a text that is no scope (RFC 6749 §3.3)")
    return value


def _scopes(value: Any) -> list[str]:
    return _texts(_scope)(value)


def _audience(value: str) -> str:
    if not 0 < len(value) <= 256 or not value.isascii() or not value.isprintable() or " " in value or "#" in value:
        raise ValueError("must name resource servers: texts of printable ASCII without spaces and fragments")
    return value


def _url(value: Any) -> str | None:
    """An https address, or an http one of this machine; empty takes it away."""
    if value in {None, ""}:
        return None
    if not isinstance(value, str) or len(value) > _LONGEST_URL:
        raise ValueError(f"must be an address of at most {_LONGEST_URL} characters")
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("must be an https address") from None
    plain = value.isascii() and value.isprintable() and not any(c in value for c in ' "<>\\^`{|}')
    loopback = host == "localhost" or host.endswith(".localhost") or host in {"127.0.0.1", "::1"}
    if not plain or not host or parts.username is not None or parts.fragment or "#" in value:
        raise ValueError("must be an https address without credentials and fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
        raise ValueError("must begin with https:// (http:// only for this machine)")
    return value


def _color(value: Any) -> str | None:
    if value in {None, ""}:
        return None
    if not isinstance(value, str) or not _COLOR.fullmatch(value):
        raise ValueError("must be a colour such as #1a73e8")
    return value.lower()


def _seconds(longest: int) -> Callable[[Any], timedelta | None]:
    def rule(value: Any) -> timedelta | None:
        if value in {None, 0}:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not _SHORTEST_TTL <= value <= longest:
            raise ValueError(f"must be {_SHORTEST_TTL} to {longest} seconds, or 0 for the deployment's")
        return timedelta(seconds=value)

    return rule


def _jwks(value: Any) -> str | None:
    """A set of public keys; private members are refused, so that nobody stores a key by mistake."""
    if value is None:
        return None
    keys = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(keys, list) or not 1 <= len(keys) <= 10:
        raise ValueError("must be a JWK set with 1 to 10 keys")
    for key in keys:
        if not isinstance(key, dict) or key.get("kty") not in _PUBLIC_KEY_MEMBERS:
            raise ValueError("holds something that is no RSA, EC or OKP key")
        if _PRIVATE_KEY_MEMBERS & key.keys():
            raise ValueError("holds a private key: send public keys only, and replace that one")
        if not all(isinstance(key.get(member), str) for member in _PUBLIC_KEY_MEMBERS[key["kty"]]):
            raise ValueError("holds a key that is not whole")
    text = json.dumps({"keys": keys})
    if len(text) > 32_768:
        raise ValueError("is too long")
    return text


def _claim_mappings(value: Any) -> str:
    if not isinstance(value, dict) or len(value) > _MOST:
        raise ValueError(f"must be an object of at most {_MOST} claims")
    for claim, attribute in value.items():
        if attribute not in ATTRIBUTES:
            raise ValueError(f"must give each claim one of {', '.join(sorted(ATTRIBUTES))}")
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_./:-]{0,127}", claim) or claim in _REGISTERED_CLAIMS:
            raise ValueError(f"{claim[:100]!r} is no name for a claim of your own")
    return json.dumps(value)


_RULES: Mapping[str, Callable[[Any], Any]] = {
    "name": _line(200),
    "is_active": _flag,
    "is_public": _flag,
    "is_native": _flag,
    "first_party": _flag,
    "auth_method": _one_of("none", "client_secret", "private_key_jwt"),
    "jwks": _jwks,
    "grant_types": _texts(_one_of(*GRANT_TYPES)),
    "redirect_uris": _texts(str),
    "post_logout_redirect_uris": _texts(str),
    "backchannel_logout_uri": _url,
    "scopes": _scopes,
    "audiences": _texts(_audience),
    "require_pkce": _flag,
    "require_par": _flag,
    "require_dpop": _flag,
    "token_format": _one_of("jwt", "at+jwt"),
    "profile_claims": _flag,
    "claim_mappings": _claim_mappings,
    "access_ttl": _seconds(_LONGEST_ACCESS),
    "refresh_ttl": _seconds(_LONGEST_REFRESH),
    "url": _url,
    "logo_url": _url,
    "brand_color": _color,
    "members_only": _flag,
    "sign_up": _one_of("inherit", "open", "closed"),
    "magic_link_url": _url,
}
