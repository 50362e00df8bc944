"""company_plans: choose what a company owns, where the built-in plans decide it.

Owns: writing `company_entitlements`; the commands `identry entitlements set|show|plans`.
Never: reached over HTTP; changes a membership or a grant (what is granted beyond the plan simply has no effect).
"""
