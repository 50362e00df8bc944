"""A tenant's policy and its provider know of each other: nobody locks everybody out."""

from __future__ import annotations

from single_sign_on import Acme


async def restricting(acme: Acme) -> tuple[int, str]:
    """PUT /settings/auth with single sign-on alone."""
    body = {"auth_policy": "restricted", "allowed_email_domains": [], "mfa_required": False}
    status, answer = await acme.settings("PUT", "auth", body)
    return status, "" if status == 200 else answer["error"]["code"]


async def test_only_a_tenant_with_an_enabled_provider_may_allow_nothing_else(acme: Acme) -> None:
    assert (await acme.configure(enabled=False))[0] == 200
    assert await restricting(acme) == (409, "no_sign_in")
    assert (await acme.configure())[0] == 200
    assert await restricting(acme) == (200, "")
    status, refused = await acme.settings("DELETE", "sso")
    assert (status, refused["error"]["code"]) == (409, "only_way_in")
