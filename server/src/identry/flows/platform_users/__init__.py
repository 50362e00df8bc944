"""platform_users: every account, for the platform's administrators.

Owns: GET /api/admin/profile, GET /api/admin/users, GET, DELETE …/users/{uid}, GET …/apps, …/sessions, POST
…/revoke-tokens, …/unlock, …/block, PUT …/attributes; /api/admin/superadmins. Tables: none of its own (users, sessions).
Never: lets anybody act on somebody of a higher rank, or take the last superadmin away; deletes an account's row.
"""
