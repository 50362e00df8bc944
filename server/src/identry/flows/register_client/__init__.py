"""register_client: a client registers itself, and looks after its registration (RFC 7591, RFC 7592).

Owns: POST /oauth/register, GET, PUT, DELETE /oauth/register/{client_id}; where `DYNAMIC_REGISTRATION` is on. Tables:
initial_access_tokens; clients and client_secrets with `client_admin`.
Never: without an initial access token; makes a client of the operator's own, one that acts as a service, or one that
may administer (`api`).
"""
