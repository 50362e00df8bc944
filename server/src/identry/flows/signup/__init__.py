"""signup: somebody makes themselves an account at an application, and proves their address.

Owns: POST /api/auth/signup, GET /api/auth/verify-email. Tables: none (`users`, `app_members` belong to their records).
Never: signs in, changes an account that exists, or opens one whose address was not proven.
"""
