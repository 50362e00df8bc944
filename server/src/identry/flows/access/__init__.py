"""access: what may the caller do in a company, right now?

Owns: GET /auth/me/access; the cache of its results.
Never: decides from a token or from a cache what a row can tell: session, account and membership are read from
PostgreSQL each time. Grants nothing (flows/access_admin does) and owns nothing (entitlements does).
"""
