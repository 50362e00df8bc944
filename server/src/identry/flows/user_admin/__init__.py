"""user_admin: staff and company administrators look after accounts.

Owns: GET/POST /internal/users, GET/PATCH/DELETE /internal/users/{id}.
Never: lets a caller learn about an account before the caller's roles are known to reach that far; hashes a password for
somebody who may not set it; trusts a role from the token (roles are read again, on locked rows, in the transaction).
"""
