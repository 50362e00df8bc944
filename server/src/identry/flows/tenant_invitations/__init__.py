"""tenant_invitations: who may invite people into a tenant asks an address to join it, with groups.

Owns: POST /api/v1/users/invite, GET /api/v1/users/invitations, POST …/{id}/resend, DELETE …/{id}.
Tables: none (`invitations` belongs to its record). The other half is the room `accept_invitation`.
Never: returns a raw token, offers what the inviter may not do, shows or changes an invitation of another tenant (404).
"""
