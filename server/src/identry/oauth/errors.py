"""Refusals in the words of RFC 6749 §5.2, OpenID Connect and their extensions; `code` is the answer's `error`.

A class says the code and the kind (its status); the raiser says why, in a sentence for a developer.
"""

from __future__ import annotations

from collections.abc import Mapping

from identry_kit.apierror import BadRequest, Forbidden, Unauthorized

BEARER_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="oauth2", error="invalid_token"'}
DPOP_CHALLENGE = {"WWW-Authenticate": 'DPoP realm="oauth2", error="invalid_token", algs="ES256"'}


class OAuthRequestError(BadRequest):
    """400: the request is malformed."""

    code = "invalid_request"
    message = "the request is not valid"


class InvalidClient(Unauthorized):
    """401: unknown, inactive, or not proven to be the client it says it is."""

    code = "invalid_client"
    message = "client authentication failed"


class InvalidGrant(BadRequest):
    """400: code or refresh token unknown, used, expired, revoked, of another client, or not matching the request."""

    code = "invalid_grant"
    message = "the grant is invalid, expired, revoked or was issued to another client"


class UnauthorizedClient(BadRequest):
    """400: this client may not use this grant."""

    code = "unauthorized_client"
    message = "the client may not use this grant type"


class UnsupportedGrantType(BadRequest):
    """400: no such grant here."""

    code = "unsupported_grant_type"
    message = "the grant type is not supported"


class InvalidScope(BadRequest):
    """400: an unknown scope, or one that this client may not ask for."""

    code = "invalid_scope"
    message = "the scope is unknown or not allowed to this client"


class InvalidTarget(BadRequest):
    """400: a resource that this client may not ask tokens for (RFC 8707 §2)."""

    code = "invalid_target"
    message = "the resource is unknown or not allowed to this client"


class InvalidToken(Unauthorized):
    """401: no access token, or one that is malformed, expired, revoked or not this provider's (RFC 6750 §3.1)."""

    code = "invalid_token"
    message = "the access token is missing, invalid, expired or revoked"

    def __init__(self, message: str | None = None, *, headers: Mapping[str, str] = BEARER_CHALLENGE) -> None:
        super().__init__(message, headers=headers)


class InvalidDpopProof(BadRequest):
    """400: the DPoP proof is missing, malformed, stale, used before or made for another request (RFC 9449 §5)."""

    code = "invalid_dpop_proof"
    message = "the DPoP proof is not valid for this request"


class AuthorizationPending(BadRequest):
    """400: the person has not decided yet; ask again after `interval` seconds (RFC 8628 §3.5)."""

    code = "authorization_pending"
    message = "the user has not decided yet"


class SlowDown(BadRequest):
    """400: the device asks too often; it waits five seconds longer from now on (RFC 8628 §3.5)."""

    code = "slow_down"
    message = "wait five seconds longer between two requests"


class ExpiredToken(BadRequest):
    """400: nobody decided in time (RFC 8628 §3.5)."""

    code = "expired_token"
    message = "the device code has expired; begin again"


class InsufficientScope(Forbidden):
    """403: the token does not reach this far (RFC 6750 §3.1)."""

    code = "insufficient_scope"
    message = "the access token's scope is not sufficient"


# -- of the authorization endpoint: told to the client by a redirect, once it is certain where it lives ---------------


class UnsupportedResponseType(BadRequest):
    """400: only `code` is served."""

    code = "unsupported_response_type"
    message = "the response type is not supported: use code"


class RequestNotSupported(BadRequest):
    """400: request objects are not read (OpenID Connect Core §3.1.2.6)."""

    code = "request_not_supported"
    message = "request objects are not supported"


class RequestUriNotSupported(BadRequest):
    """400: only request addresses that were given out here are read (RFC 9126)."""

    code = "request_uri_not_supported"
    message = "only request addresses of pushed requests are supported"


class InvalidRequestUri(BadRequest):
    """400: a pushed request that is unknown, used, expired or another client's (RFC 9126 §2.2)."""

    code = "invalid_request_uri"
    message = "the pushed request is unknown, was used or has expired"


class AccessDenied(BadRequest):
    """400: the person said no, or may not use this application."""

    code = "access_denied"
    message = "access was denied"


class LoginRequired(BadRequest):
    """400: nobody is signed in as the request wants it, and no page may be shown."""

    code = "login_required"
    message = "the person has to sign in"


class UnmetRequirements(BadRequest):
    """400: the request wants a second factor and the person has none, or an `acr` that there is not."""

    code = "unmet_authentication_requirements"
    message = "the person has no second factor"


class ConsentRequired(BadRequest):
    """400: the person has not agreed yet, and no page may be shown."""

    code = "consent_required"
    message = "the person has to agree"


# -- before that: told to the person on a page ------------------------------------------------------------------------


class UnknownApplication(BadRequest):
    """400: there is no such client, or none that may sign people in."""

    code = "unknown_client"
    message = "the application that sent you here is not known"


class UnknownRedirect(BadRequest):
    """400: nobody is sent to an address that the client did not register."""

    code = "unknown_redirect_uri"
    message = "the application that sent you here wants you back at an address that it did not register"


class RequestGone(BadRequest):
    """400: the request that a page belongs to is unknown, finished, expired, or was begun in another browser."""

    code = "request_gone"
    message = "this sign-in has expired or was begun elsewhere; start again at the application"
