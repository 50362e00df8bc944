"""Who is calling the provider: a user through an application, or an application itself?

The header is `Bearer <token>`, or `DPoP <token>` with the proof of the key that the token is bound to: a bound token
alone is refused (RFC 9449 §7.2). Source: contracts/provider-api.md §4, §8, §10; RFC 6750.
"""

from __future__ import annotations

import re

from identry.oauth.access_tokens import AccessTokens, ServiceToken, UserToken, bound_key
from identry.oauth.dpop import Dpop, Shown
from identry.oauth.errors import DPOP_CHALLENGE, InsufficientScope, InvalidDpopProof, InvalidToken
from identry.web.call import Actor, Call

_CREDENTIALS = re.compile(r"(bearer|dpop) ([A-Za-z0-9._~+/=-]+)", re.IGNORECASE)


class ProviderBearer:
    """Checks access tokens of the provider; each method is a guard."""

    def __init__(self, tokens: AccessTokens, dpop: Dpop) -> None:
        self._tokens = tokens
        self._dpop = dpop

    async def user(self, call: Call) -> None:
        """A user's token; sets `call.actor`, `call.client`, `call.claims`.

        Raises:
            InvalidToken: missing, not genuine, over, an application's own, or bound to a key that is not proven.
            ServiceUnavailable: nobody can tell.
        """
        found = await self._token(call)
        if not isinstance(found, UserToken):
            raise InvalidToken("this needs a user's access token")
        _note(call, found)

    async def service(self, call: Call) -> None:
        """An application's own token; sets `call.client`, `call.claims`.

        Raises:
            InvalidToken, ServiceUnavailable: as `user`.
            InsufficientScope: a user's token.
        """
        found = await self._token(call)
        if not isinstance(found, ServiceToken):
            raise InsufficientScope("this needs an access token of the application itself")
        _note(call, found)

    async def either(self, call: Call, from_body: str = "") -> None:
        """A token of one or the other kind; `call.caller` is None for an application's own.

        `from_body`: a token that came in a form instead of the header (RFC 6750 §2.2).

        Raises:
            InvalidToken, ServiceUnavailable: as `user`; also a token in both places.
        """
        _note(call, await self._token(call, from_body))

    async def _token(self, call: Call, from_body: str = "") -> UserToken | ServiceToken:
        if from_body and call.header(b"authorization") is not None:
            raise InvalidToken("send the access token in one place")
        scheme, token = ("bearer", from_body) if from_body else credentials(call)
        found = await self._tokens.of(token)
        await self._prove(call, found, scheme, token)
        return found

    async def _prove(self, call: Call, found: UserToken | ServiceToken, scheme: str, token: str) -> None:
        """Whether the caller may use this token: a bound one only with its key's proof, another only as `Bearer`.

        Raises:
            InvalidToken, ServiceUnavailable: as `user`.
        """
        jkt = bound_key(found.claims)
        if (jkt is not None) != (scheme == "dpop"):
            raise InvalidToken(headers=DPOP_CHALLENGE if jkt is not None else InvalidToken().headers)
        if jkt is None:
            return
        try:
            shown = shown_proof(call)
            proven = await self._dpop.key_of(shown, token) if shown else None
        except InvalidDpopProof as error:
            raise InvalidToken(error.message, headers=_PROOF_CHALLENGE) from None
        if proven != jkt:
            raise InvalidToken(headers=DPOP_CHALLENGE)


_PROOF_CHALLENGE = {"WWW-Authenticate": 'DPoP realm="oauth2", error="invalid_dpop_proof", algs="ES256"'}


def credentials(call: Call) -> tuple[str, str]:
    """Scheme (`bearer` or `dpop`) and token of the one `Authorization` header.

    Raises:
        InvalidToken: there is none, or more than one.
    """
    headers = call.headers(b"authorization")
    found = _CREDENTIALS.fullmatch(headers[0]) if len(headers) == 1 else None
    if found is None:
        raise InvalidToken
    return found[1].lower(), found[2]


def shown_proof(call: Call) -> Shown | None:
    """The DPoP proof of a request; None: it has none.

    Raises:
        InvalidDpopProof: more than one.
    """
    proofs = call.headers(b"dpop")
    if len(proofs) > 1:
        raise InvalidDpopProof("send one DPoP header")
    return Shown(proofs[0], call.scope["method"], call.scope["path"]) if proofs else None


def require_scope(call: Call, scope: str) -> None:
    """Refuse a token that does not reach this far.

    Raises:
        InsufficientScope: `scope` was not granted; the challenge names it (RFC 6750 §3.1).
    """
    if scope not in str(call.claims.get("scope", "")).split():
        challenge = f'Bearer realm="oauth2", error="insufficient_scope", scope="{scope}"'
        raise InsufficientScope(headers={"WWW-Authenticate": challenge})


def require_agreed(call: Call, *scopes: str) -> None:
    """Refuse an application of somebody else to which its user agreed none of `scopes`.

    The operator's own applications act for their users in everything that is the user's own.

    Raises:
        InsufficientScope: the challenge names the first of them.
    """
    if call.client.first_party or not set(scopes).isdisjoint(str(call.claims.get("scope", "")).split()):
        return
    require_scope(call, scopes[0])


def _note(call: Call, found: UserToken | ServiceToken) -> None:
    call.claims, call.client = found.claims, found.client
    if isinstance(found, UserToken):
        call.actor = Actor(user=found.user, session_id=found.session_id, amr=found.amr, auth_time=found.auth_time)
