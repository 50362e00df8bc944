"""sign_in_history: when, where and how somebody signed in to an account or tried to, shown to its owner.

Owns: /account/history. Tables: none (it reads `auth_audit_logs`, which every service writes).
Never: shows an event of another account, or what a wrong password was.
"""
