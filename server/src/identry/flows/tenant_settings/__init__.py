"""tenant_settings: how the people of a tenant sign in, as its own administrators see and change it.

Owns: GET and PUT /api/v1/settings/auth; of the table `tenants` the policy, the domains and the demand for a factor.
Never: loosens what the deployment demands, shuts every door of the tenant, ends a session by itself.
"""
