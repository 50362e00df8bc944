DROP INDEX auth_audit_logs_by_event;
CREATE INDEX auth_audit_logs_by_event ON auth_audit_logs (event, id) WHERE event <> 'auth.refresh.rotated';
