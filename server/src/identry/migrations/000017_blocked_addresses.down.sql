DROP INDEX users_inactive;
DROP INDEX auth_audit_logs_administered_by;
DROP INDEX auth_audit_logs_administered;
DROP INDEX auth_audit_logs_by_ip;
DROP INDEX auth_audit_logs_by_event;
DROP TABLE blocked_addresses;
