"""The platform's own app at Entra ID, for people of every directory. Source: contracts/browser-api.md §6."""

from __future__ import annotations

from identry.federation.provider import MICROSOFT, ClientSecret, Provider

PUBLIC_CLOUD = "https://login.microsoftonline.com"
CALLBACK_PATH = "/api/v1/auth/microsoft/callback"


def platform_app(*, authority: str, api_public_url: str, client_id: str, client_secret: str) -> Provider:
    """The provider of these settings; its endpoints are fixed, so nothing has to be discovered first.

    Args:
        authority: of the cloud, `PUBLIC_CLOUD` or a sovereign one's, without a slash at the end.
        api_public_url: where browsers reach this server.
        client_id: of the app registration.
        client_secret: of the app registration.
    """
    return Provider(
        key=MICROSOFT,
        kind="entra",
        tenant_id=None,
        issuer=f"{authority}/{{tid}}/v2.0",
        authorization_endpoint=f"{authority}/common/oauth2/v2.0/authorize",
        token_endpoint=f"{authority}/common/oauth2/v2.0/token",
        jwks_uri=f"{authority}/common/discovery/v2.0/keys",
        redirect_uri=api_public_url + CALLBACK_PATH,
        client_id=client_id,
        client_secret=ClientSecret(client_secret),
        directory_id=None,
        jit=False,
        default_group_ids=(),
        display_name="Microsoft",
    )
