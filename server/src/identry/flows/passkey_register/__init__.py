"""passkey_register: a person adds a passkey, or sets one up as the second factor that a sign-in demands.

Owns: POST /api/v1/auth/passkeys/register/options, POST /api/v1/auth/passkeys/register; on pages
/account/passkeys/add, and /login/set-up/passkey on the page of `mfa_setup`.
Tables: none (`passkeys`, `passkey_handles` and `passkey_challenges` belong to records).
Never: adds one to an account whose factor was not proven, or believes what an authenticator says of its make.
"""
