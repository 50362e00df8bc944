"""company_resolve: which company is meant by a name, a legacy id or an id? Finance knows.

Owns: GET /internal/companies/resolve; reading Finance's table of companies (also for rooms that ask whether a company
exists); the cache of both.
Never: writes to Finance, or keeps company data of its own; mounted only when an internal key is configured.
"""
