"""tenant_domains: the e-mail domains of a tenant, claimed by name and proven by a record in the DNS.

Owns: GET and POST /api/v1/settings/domains, POST /api/v1/settings/domains/{domain}/verify and DELETE
/api/v1/settings/domains/{domain}; the table `tenant_domains`.
Never: takes a domain's owner for somebody else's word, follows an alias, or lets two tenants have one domain.
"""
