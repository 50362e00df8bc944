"""security_events: what the audit log tells administrators, of everything or of one application.

Owns: GET /api/admin/security/events, GET /api/apps/{id}/logs. Tables: none (reads auth_audit_logs).
Never: tells one application what happened at another; counts further than anybody pages.
"""
