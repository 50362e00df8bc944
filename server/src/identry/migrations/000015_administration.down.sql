DROP INDEX auth_audit_logs_by_client;
DELETE FROM clients WHERE client_id = 'identry-admin';
