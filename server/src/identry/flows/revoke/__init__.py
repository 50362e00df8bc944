"""revoke: a token is given back before its end (RFC 7009).

Owns: POST /oauth/revoke. Tables: none (ends sessions, spends ids of tokens that have no session).
Never: tells whether there was such a token, or says 200 while the database could not be told.
"""
