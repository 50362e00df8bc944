"""exchange: the code of a sign-in at a provider becomes a session.

Owns: POST /api/v1/auth/exchange. Tables: none (`one_time_tokens` belongs to its record).
Never: decides who somebody is (the callback did), lets a code of another browser count.
"""
