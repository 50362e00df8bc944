"""password_reset: whoever reads the mailbox of an account sets its password.

Owns: POST /auth/password-reset/request, POST /auth/password-reset/confirm, and both under /api/v1; POST
/api/auth/request-password-reset, POST /api/auth/reset-password.
Tables: none (`one_time_tokens` and `users` belong to their records).
Never: tells whether an address has an account (text, code, limits or time), signs anybody in, touches a second factor.
"""
