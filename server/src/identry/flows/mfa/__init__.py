"""mfa: the second factor finishes a sign-in that the first began.

Owns: POST /auth/mfa/verify, POST /api/v1/auth/mfa/verify.
Tables: none (`totp_factors`, `recovery_codes` and `one_time_tokens` belong to records).
Never: enrols or removes a factor, accepts a code twice, lets a ticket open anything but this.
"""
