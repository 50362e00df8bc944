"""audit_logs: the audit log as a whole, for administrators of the platform: found, read one by one, taken along.

Owns: GET /api/admin/logs, /api/admin/logs/{id}, /api/admin/logs/export. Tables: none (reads auth_audit_logs).
Never: holds a table in memory or a connection while somebody reads; gives a spreadsheet a formula.
"""
