"""Calls of one person's own: logging in and out, signing up, their profile, and the tokens of a browser session.

Routes: contracts/provider-api.md §2, §5 and §7, on the public address (the administrator's login: on the admin one).
Those that a server makes for a browser are attributed to it (`with_attribution`).
"""

from __future__ import annotations

from identry_kit.client.call import Answer, As, Call, by_status, done, found, result
from identry_kit.client.config import Config
from identry_kit.client.errors import (
    ClientError,
    InvalidCredentials,
    MagicLinkAlreadyUsed,
    MagicLinkInvalid,
    SignupRejected,
    UserAlreadyExists,
)
from identry_kit.client.grant import oauth_error
from identry_kit.client.service import ProfileUpdate, invalid_update
from identry_kit.client.shapes import Profile, SignupResult, UserInfo
from identry_kit.client.tokens import Introspection, Login, TokenSet

_EXISTS = "email already exists"


def get_current_user_profile(_: Config) -> Call[UserInfo | None]:
    """Who the caller is, by `/oauth/userinfo`; None when their token or account is not good any more (401, 404)."""
    read = found(UserInfo.read, lambda answer: answer.status in {401, 404})
    return Call("get current user profile", "GET", "/oauth/userinfo", read, As.USER)


def get_profile(_: Config) -> Call[Profile | None]:
    """The caller's whole profile; None when there is no such account."""
    read = found(Profile.read, lambda answer: answer.status == 404)
    return Call("get profile", "GET", "/api/profile", read, As.USER)


def update_profile(_: Config, update: ProfileUpdate) -> Call[Profile]:
    """Change fields of the caller's own profile. Raises InvalidProfileUpdate."""
    read = result(Profile.read, refuse=by_status({400: invalid_update}))
    return Call("update profile", "PUT", "/api/profile", read, As.USER, json=update.body())


def exchange_code(config: Config, code: str, redirect_uri: str, *, code_verifier: str = "") -> Call[TokenSet]:
    """Tokens for an authorization code (RFC 6749 §4.1.3), with the PKCE verifier if one was used. Raises OAuthError."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
    if code_verifier:
        form["code_verifier"] = code_verifier
    return _tokens("exchange code", config, form, (code, code_verifier))


def refresh_token(config: Config, refresh_token: str) -> Call[TokenSet]:
    """New tokens for a refresh token (RFC 6749 §6). Raises OAuthError: its `is_fatal` tells a dead grant."""
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    return _tokens("refresh token", config, form, (refresh_token,))


def _tokens(op: str, config: Config, form: dict[str, str], secrets: tuple[str, ...]) -> Call[TokenSet]:
    form["client_id"] = config.client_id
    if config.client_secret:
        form["client_secret"] = config.client_secret
    read = result(TokenSet.read, refuse=oauth_error)
    secrets = (*secrets, config.client_secret)
    return Call(op, "POST", "/oauth/token", read, form=form, attributed=True, secrets=secrets)


def revoke_token(config: Config, token: str) -> Call[None]:
    """End an access or refresh token (RFC 7009); an unknown one is no error. Needs the client secret."""
    form, secrets = _authenticated(config, token)
    return Call("revoke token", "POST", "/oauth/revoke", done(), form=form, attributed=True, secrets=secrets)


def introspect_token(config: Config, token: str) -> Call[Introspection]:
    """Whether a token counts now (RFC 7662). Needs the client secret."""
    form, secrets = _authenticated(config, token)
    return Call("introspect token", "POST", "/oauth/introspect", result(Introspection.read), form=form, secrets=secrets)


def _authenticated(config: Config, token: str) -> tuple[dict[str, str], tuple[str, ...]]:
    secret = config.secret()
    return {"token": token, "client_id": config.client_id, "client_secret": secret}, (token, secret)


def verify_magic_link(config: Config, token: str) -> Call[Login]:
    """Log in with the token of a mailed link. Raises MagicLinkAlreadyUsed and MagicLinkInvalid."""
    refuse = by_status({422: lambda _: MagicLinkAlreadyUsed(), 401: lambda _: MagicLinkInvalid()})
    body = {"token": token, "client_id": config.client_id}
    path, read = "/api/auth/magic-link/verify", result(Login.read, refuse=refuse)
    return Call("verify magic link", "POST", path, read, json=body, attributed=True, secrets=(token,))


def signup(config: Config, name: str, email: str, password: str) -> Call[SignupResult]:
    """Make an account with a password. Raises UserAlreadyExists, and SignupRejected with a text for the person."""
    body = {"name": name, "email": email, "password": password, "client_id": config.client_id}
    read = result(SignupResult.read, (201, 200), by_status({400: _signup_refused}))
    return Call("signup", "POST", "/api/auth/signup", read, json=body, attributed=True, secrets=(password,))


def admin_login(_: Config, email: str, password: str) -> Call[Login]:
    """Log an administrator in. Raises InvalidCredentials."""
    read = result(Login.read, refuse=by_status({401: lambda _: InvalidCredentials()}))
    body = {"email": email, "password": password}
    path = "/api/admin/login"
    return Call("admin login", "POST", path, read, admin=True, json=body, attributed=True, secrets=(password,))


def logout(_: Config) -> Call[None]:
    """Log the caller out: all their tokens die."""
    return Call("logout", "POST", "/api/auth/logout", done(), As.USER, attributed=True)


def _signup_refused(answer: Answer) -> ClientError | None:
    text = answer.error()
    if not text:
        return None
    return UserAlreadyExists() if text.casefold() == _EXISTS else SignupRejected(text)
