"""register: a stranger asks for an account.

Owns: POST /auth/register, POST /api/v1/auth/register. Tables: none (`users` belongs to its record).
Never: signs anybody in, opens an account by itself (staff approve it), lets the body choose a role or a state.
"""
