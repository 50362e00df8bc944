"""mfa_change: what somebody does with their own second factor once it is on: look, confirm, renew its codes, remove it.

Owns: GET /api/v1/auth/mfa, POST /api/v1/auth/mfa/disable, mfa/recovery-codes, mfa/step-up; GET
/api/profile/mfa, POST /api/profile/mfa/disable and /recovery-codes; `sessions.factor_at`.
Never: removes a factor that is demanded, touches one of somebody else, or counts a wrong code less than a sign-in does.
"""
