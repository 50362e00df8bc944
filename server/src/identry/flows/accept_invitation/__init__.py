"""accept_invitation: who reads an invited mailbox joins the company and is signed in.

Owns: GET /auth/invitations/{token}, POST /auth/invitations/accept, and under /api/v1/auth GET /invitations/{token}
and POST …/accept.
Tables: none (`invitations`, `users` and the memberships belong to their records).
Never: touches an existing account without its password, lowers a role that somebody holds, skips the second factor.
"""
