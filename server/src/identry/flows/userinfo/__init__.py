"""userinfo: who the user of an access token is (OpenID Connect Core §5.3).

Owns: GET and POST /oauth/userinfo. Tables: none.
Never: tells more than the token's scopes let through, or anything to an application about itself.
"""
