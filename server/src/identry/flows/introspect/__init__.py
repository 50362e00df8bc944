"""introspect: what a token is worth now (RFC 7662).

Owns: POST /oauth/introspect. Tables: none (reads sessions, users, clients, spent ids in one statement).
Never: tells an unproven client anything, or why a token is worth nothing.
"""
