"""end_session: an application sends its person here to sign out of everything (OpenID Connect RP-Initiated Logout 1.0).

Owns: GET and POST /oauth/logout, POST /oauth/logout/confirm. Tables: none (sessions have their own record).
Never: ends anything that neither an ID token of ours nor the person confirms; redirects to an address that the client
of that ID token did not register.
"""
