"""invite: who administers a company asks an address to join it.

Owns: POST and GET /internal/companies/{companyId}/invitations, DELETE …/invitations/{id}.
Tables: none (`invitations` belongs to its record). The other half is the room `accept_invitation`.
Never: returns a raw token, offers a role above the inviter's.
"""
