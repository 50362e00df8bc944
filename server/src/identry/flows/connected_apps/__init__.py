"""connected_apps: which applications somebody let into their account, and the end of that.

Owns: /account/apps. Tables: none (`consents` and `sessions` belong to their records).
Never: shows a token, or touches what somebody else agreed to.
"""
