"""mfa_setup: somebody sets up an authenticator app, from their account or because a sign-in demands it.

Owns: POST /api/v1/auth/mfa/setup, POST /api/v1/auth/mfa/enable, POST /api/profile/mfa/enroll and /confirm;
rows of `totp_factors` that wait for their first code.
Never: replaces a factor that is on, opens with the ticket of a sign-in that waits for a code, or shows a secret or
recovery codes twice.
"""
