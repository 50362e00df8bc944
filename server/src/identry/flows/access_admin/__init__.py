"""access_admin: what a member may use, and what a member may hand on.

Owns: PUT /internal/companies/{companyId}/users/{userId}/grants.
Never: lets anybody grant what the company does not own or what was not delegated to them; decides what is effective at
the moment of use (that is owned ∩ granted, asked at GET /auth/me/access).
"""
