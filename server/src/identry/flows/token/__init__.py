"""token: a grant becomes tokens (RFC 6749 §3.2).

Owns: POST /oauth/token. Tables: none (grants are sessions; what they are made of belongs to the rooms that give it).
Never: tells why a grant is worth nothing beyond the code of the RFC.
"""
