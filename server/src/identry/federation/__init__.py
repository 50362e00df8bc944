"""federation: what signing in with somebody else's identity is made of: the provider, its keys, its answers.

Owns: the shape of an identity provider, the authorization request, the token request, the check of an ID token.
Never: decides who somebody is here, opens a session, knows a user; speaks OAuth by hand where `openid` (Authlib and
joserfc) does.
"""
