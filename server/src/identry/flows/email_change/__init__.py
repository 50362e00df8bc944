"""email_change: somebody signs in with another address from now on, once they proved that it is theirs.

Owns: /account/email; one-time tokens with the purpose `email_change`.
Never: writes an address that was not proven, tells whether one has an account, or counts a link in anybody's hands but
those of the account that asked for it.
"""
