"""tenant_create: a tenant by an operator's hand, before any company membership makes it.

Owns: nothing over HTTP; what `identry tenant create` does.
Never: changes a tenant that exists.
"""
