"""pushed_request: a client says what it will ask a person for, before any browser is involved (RFC 9126).

Owns: POST /oauth/par. Tables: of `authorization_requests` those that were pushed.
Never: shows anything to a person, or answers a request: `authorize` does, with the same checks.
"""
