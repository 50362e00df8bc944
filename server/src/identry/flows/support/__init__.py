"""support: what machines may do with accounts, by X-Internal-API-Key alone.

Owns: POST /internal/sessions/{id}/revoke, POST /internal/users/{id}/revoke-all, GET /internal/users/{id}/context.
Never: creates or changes an account (that takes a person); mounted only when an internal key is configured.
"""
