"""Address and name from the UserInfo endpoint, where the ID token does not tell them (OpenID Connect Core §5.3, §5.4).

A conforming provider puts there what the scopes `email` and `profile` ask for. Only the subject that the ID token
proved is believed: another one's claims would be another person's (§5.3.2).
"""

from __future__ import annotations

from dataclasses import replace

from identry.core.outbound import OutboundError
from identry.core.secrets import equal
from identry.federation.id_token import ProvenIdentity, address_of, name_of
from identry.federation.openid import TokenRefused
from identry.federation.provider import ProviderHttp, ProviderUnavailable
from identry_kit.jwtauth import Claims


async def completed(identity: ProvenIdentity, endpoint: str, access_token: str, http: ProviderHttp) -> ProvenIdentity:
    """A proven identity with the address and the name that the provider tells; as it was when it tells none.

    Raises:
        TokenRefused: the answer is of another subject.
        ProviderUnavailable: there is no usable answer.
    """
    if not access_token.isascii() or not access_token.isprintable() or " " in access_token:
        raise TokenRefused("access token")
    try:
        reply = await http.get(endpoint, authorization=f"Bearer {access_token}")
    except OutboundError as error:
        raise ProviderUnavailable(f"userinfo endpoint: {error}") from error
    if reply.status != 200:
        raise ProviderUnavailable(f"userinfo endpoint: status {reply.status}")
    if not isinstance(reply.body, dict):
        return identity  # a signed answer, which nobody asked for
    claims = Claims(reply.body)
    if not equal(claims.text("sub"), identity.key.subject):
        raise TokenRefused("userinfo of another subject")
    return replace(
        identity,
        email=address_of(claims, identity.kind),
        email_vouched=claims.get("email_verified") is True,
        full_name=name_of(claims) or identity.full_name,
    )
