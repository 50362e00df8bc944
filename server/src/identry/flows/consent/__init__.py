"""consent: a person agrees that an application may do what it asks for, or does not (OpenID Connect Core §3.1.2.4).

Owns: POST /oauth/authorize/consent. Tables: `consents` as far as they are given here.
Never: answers the application with a code: an agreement only lets the request go on.
"""
