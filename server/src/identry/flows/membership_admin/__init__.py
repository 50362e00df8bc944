"""membership_admin: who belongs to a company and its business units, and as what.

Owns: GET /internal/companies/{companyId}/users, POST …/memberships, GET …/business-units/{businessUnitId}/users, POST
…/business-units/{businessUnitId}/memberships.
Never: shows a membership of another company; lets anybody raise their own role, give one above it, or remove the last
active OWNER; checks that a company exists unless a directory of companies is configured.
"""
