"""The first administrator, made before the port is bound; there is no window in which anyone could claim the place.

Owns no table and no route: `identry dev`, `identry serve` and `identry create-admin` call it.
"""
