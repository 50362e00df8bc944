"""page_addresses: other addresses of pages lead to the pages (contracts/provider-api.md §14; `/` to the account).

Owns: GET /, /auth/login, /auth/signup, /auth/forgot-password, /auth/reset-password, /auth/verify-email, /auth/invite.
Never: shows a page itself, answers a POST.
"""
