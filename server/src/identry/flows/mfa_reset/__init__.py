"""mfa_reset: an administrator takes a lost second factor off a person of the tenant, or the operator off anybody.

Owns: DELETE /api/v1/users/{id}/mfa, `identry reset-mfa`. Tables: none (`totp_factors` and `recovery_codes` belong to
their record).
Never: reaches the administrator's own factor, a person of another tenant (404), one who may do what the caller may not,
or an account that others rely on as well: platform staff, members of another tenant.
"""
