"""federated_login: somebody signs in with an identity that a provider vouches for, or links one to their account.

Owns: GET /api/v1/auth/microsoft/login and /callback, GET /api/v1/auth/sso/{tenant_slug}/login and /callback. Tables:
writes `identities` and `pending_logins` through their records, `users` and `tenant_members` for whom a tenant lets in
at the first sign-in; with an invitation the room `accept_invitation` does, which it is given.
Never: opens a session (it hands out a code for `exchange`), looks anybody up by what a provider says of their address
and lets them in for it, repeats a provider's text.
"""
