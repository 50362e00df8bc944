"""threats: what the audit log tells about those who try to get in: by kind, by address, and of one address.

Owns: GET /api/admin/security/threats, GET /api/admin/security/ip-reputation/{ip}. Tables: none (reads auth_audit_logs).
Never: asks anybody elsewhere about an address; says anything that is not in the log or the list of blocked addresses.
"""
