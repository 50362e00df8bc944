"""passkey_login: a passkey becomes a session, alone or as the second step after another factor.

Owns: POST /api/v1/auth/passkeys/login/options and …/login, POST /api/v1/auth/passkeys/mfa/options and …/mfa.
Tables: none (`passkeys`, `passkey_challenges` and `one_time_tokens` belong to records).
Never: tells whether an account or a passkey exists, takes a signature without the person's PIN or biometrics.
"""
