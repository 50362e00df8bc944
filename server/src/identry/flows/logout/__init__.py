"""logout: a person ends one session, or all of them.

Owns: POST /auth/logout, POST /auth/logout-all.
Never: tells whether a refresh token was known.
"""
