"""tenant_sso: the identity provider of a tenant, as its own administrators set it up and try it.

Owns: GET, PUT and DELETE /api/v1/settings/sso, POST /api/v1/settings/sso/test; the tables `tenant_oidc_config` and
`tenant_oidc_groups`.
Never: shows a client secret, hands one to another provider than it was given for, or takes away a tenant's last way in.
"""
