"""Refusals in the words of RFC 6749 §5.2, OpenID Connect and their extensions; `code` is the answer's `error`.

A class says the code and the kind (its status); the raiser says why, in a sentence for a developer.
"""

from __future__ import annotations

from identry_kit.apierror import BadRequest, Forbidden, Unauthorized


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


class InsufficientScope(Forbidden):
    """403: the token does not reach this far (RFC 6750 §3.1)."""

    code = "insufficient_scope"
    message = "the access token's scope is not sufficient"
