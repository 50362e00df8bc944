"""account: who am I?

Owns: GET /auth/me, GET /api/v1/auth/me; the pages /account and /account/security.
Never: trusts the token for anything but who is asking; everything shown is read from the database.
"""
