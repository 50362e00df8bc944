"""rotate_keys: signing keys come and go without a token failing.

Owns: the commands `identry keys …` and the adoption of `JWT_SIGNING_KEY_PEM` at start.
Tables: signing_keys (through its record).
Never: signs anything, prints a stored private key.
"""
