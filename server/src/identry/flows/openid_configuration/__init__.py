"""openid_configuration: what the provider can do, for clients that ask (OpenID Connect Discovery 1.0, RFC 8414).

Owns: GET /.well-known/openid-configuration, GET /.well-known/oauth-authorization-server. Tables: none.
Never: claims what another room does not serve.
"""
