"""The provider's vocabulary: OAuth 2.0 and OpenID Connect, as far as it is the same in every room that speaks it.

`errors` what a client is told · `scopes` what may be asked for · `client_proof` which client is calling · `redirects`
where a browser may be sent · `codes`, `refreshing` what becomes a grant, or its next tokens · `opening` the statement
that opens every grant, `grants` its tokens. Nothing here knows HTTP.
Source: contracts/provider-api.md; RFC 6749, RFC 9700.
"""
