"""check_method: which ways to sign in an address may use.

Owns: POST /api/v1/auth/check-method. Tables: none.
Never: looks at users: the answer follows from the address's domain, so it tells nothing about who exists.
"""
