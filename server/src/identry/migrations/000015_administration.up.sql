-- Administrators sign in at an application of the house itself; nobody can change or delete it. What happened at an
-- application is found by its name.

INSERT INTO clients (id, client_id, name, is_public, first_party, auth_method, grant_types, created_at, updated_at)
VALUES ('01900000-0000-7000-8000-000000000001', 'identry-admin', 'Administration', true, true, 'none',
        '{refresh_token}', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z');

CREATE INDEX auth_audit_logs_by_client ON auth_audit_logs ((details ->> 'client'), id) WHERE details ? 'client';
