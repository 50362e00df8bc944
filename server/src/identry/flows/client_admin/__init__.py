"""client_admin: the operator's applications (OAuth clients): made, shown, changed, given a new secret, deleted.

Owns: GET, POST /api/admin/apps, GET, PUT, DELETE /api/admin/apps/{id}, POST …/{id}/rotate-secret, and what
`identry apps` does. Tables: clients and client_secrets (through `records/clients.py`), with `register_client`.
Never: shows a secret twice, or stores one in the clear; ends anything of another application.
"""
