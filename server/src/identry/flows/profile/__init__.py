"""profile: what a person tells of themselves, seen and changed by themselves.

Owns: /account/profile, GET /api/userinfo, GET, PUT and PATCH /api/profile; writes `user_profiles` through its record.
Never: changes an address, a password, a role or anything else that decides what somebody may do.
"""
