"""refresh: a refresh token becomes its successor and a new access token.

Owns: POST /auth/refresh, POST /api/v1/auth/refresh, POST /api/auth/refresh; the refresh columns of `sessions`.
Never: extends a session's horizon, logs an honest retry out, or lets a replayed token live.
"""
