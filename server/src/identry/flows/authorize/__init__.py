"""authorize: a browser comes from an application and goes back with a code (RFC 6749 §4.1, OpenID Connect Core §3.1).

Owns: GET and POST /oauth/authorize, GET /oauth/authorize/continue. Tables: `authorization_codes`; of
`authorization_requests` those that wait in a browser.
Never: signs anybody in, or asks whether they agree: pages do; sends a browser to an address that is not registered.
"""
