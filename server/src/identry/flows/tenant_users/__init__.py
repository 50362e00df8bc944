"""tenant_users: the people of a tenant, as its own administrators see and change them.

Owns: GET /api/v1/users, GET, PATCH and DELETE /api/v1/users/{id}, PUT /api/v1/users/{id}/groups; the table
`tenant_members` together with the flows that write company memberships.
Never: shows or changes anybody of another tenant (404), touches an account beyond its name, ends the membership of
whoever owns the company, or leaves a tenant without an administrator.
"""
