"""passkeys: a person sees, renames and removes their own passkeys.

Owns: GET /api/v1/auth/passkeys, PATCH and DELETE /api/v1/auth/passkeys/{id}.
Tables: none (`passkeys` belongs to records).
Never: takes the last way in or a factor that is demanded, shows or changes somebody else's.
"""
