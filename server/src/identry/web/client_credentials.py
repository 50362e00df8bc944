"""What a request says about its client: HTTP Basic or fields of the body (RFC 6749 §2.3.1), never both."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated
from urllib.parse import unquote_plus

import msgspec

from identry.oauth import assertions
from identry.oauth.client_proof import Presented
from identry.oauth.errors import InvalidClient, OAuthRequestError
from identry.web.call import Call

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
"""RFC 6749 §5.1, for whatever tells of a token."""

_BASIC = "basic "
_MAX = 1024


class ClientFields(msgspec.Struct):
    """The fields by which a client names and proves itself in a body."""

    client_id: Annotated[str, msgspec.Meta(max_length=_MAX, examples=["reports"])] = ""
    client_secret: Annotated[str, msgspec.Meta(max_length=_MAX)] = ""
    client_assertion_type: Annotated[str, msgspec.Meta(max_length=200)] = ""
    client_assertion: Annotated[str, msgspec.Meta(max_length=16_384)] = ""


class TokenFields(ClientFields):
    """A token that a client, or whoever holds it, asks about."""

    token: Annotated[str, msgspec.Meta(max_length=16_384, examples=["eyJhbGciOi…"])] = ""

    def needed(self) -> str:
        """The token.

        Raises:
            OAuthRequestError: there is none.
        """
        if not self.token:
            raise OAuthRequestError("token is missing")
        return self.token


def presented(call: Call, fields: ClientFields) -> Presented:
    """The client's name and proof.

    Raises:
        OAuthRequestError: two ways at once.
        InvalidClient: no client is named, or the header cannot be read.
    """
    headers = call.headers(b"authorization")
    if headers:
        if fields.client_secret or fields.client_assertion or len(headers) > 1:
            raise OAuthRequestError("authenticate the client in one way only")
        name, secret = _basic(headers[0])
        if fields.client_id and fields.client_id != name:
            raise OAuthRequestError("client_id differs from the Authorization header")
        return Presented(name, secret, basic=True)
    if fields.client_assertion and fields.client_assertion_type != assertions.TYPE:
        raise OAuthRequestError(f"client_assertion_type must be {assertions.TYPE}")
    if fields.client_secret and fields.client_assertion:
        raise OAuthRequestError("authenticate the client in one way only")
    if not fields.client_id and not fields.client_assertion:
        raise InvalidClient("no client is named: send client_id, or HTTP Basic")
    return Presented(fields.client_id, fields.client_secret, fields.client_assertion)


def _basic(header: str) -> tuple[str, str]:
    """Name and secret of `Authorization: Basic`, both form-encoded in there."""
    challenge = InvalidClient(headers={"WWW-Authenticate": 'Basic realm="oauth2"'})
    if not header.lower().startswith(_BASIC) or len(header) > 4 * _MAX:
        raise challenge
    try:
        text = base64.b64decode(header[len(_BASIC) :].strip(), validate=True).decode()
        name, colon, secret = (unquote_plus(part, errors="strict") for part in text.partition(":"))
        if not colon or "\0" in name:  # no client has one, and PostgreSQL, which is asked for many at once, takes none
            raise challenge
        return name, secret
    except (binascii.Error, UnicodeDecodeError):
        raise challenge from None
