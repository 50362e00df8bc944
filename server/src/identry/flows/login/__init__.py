"""login: a password becomes a session.

Owns: POST /auth/login, /api/v1/auth/login, /api/auth/login, /api/admin/login, /api/admin/elevate. Tables: none
(sessions are opened by `signin`).
Never: decides about the second factor or the gates (that is `signin`), answers differently for an unknown address.
"""
