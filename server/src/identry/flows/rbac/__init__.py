"""rbac: the groups of a tenant, what they may do, who is in them; and why somebody may or may not.

Owns: GET /api/v1/rbac/permissions, /api/v1/rbac/groups (with members), GET /api/v1/rbac/explain; the tables
`groups` and `group_members` together with tenant_users.
Never: changes a built-in group, reaches another tenant, lets anybody give or take what they may not do themselves, or
leaves a tenant without an administrator.
"""
