"""logout: a person ends one session, or all of them.

Owns: POST /auth/logout, POST /auth/logout-all, POST /api/v1/auth/logout, POST /api/auth/logout.
Never: tells whether a refresh token was known.
"""
