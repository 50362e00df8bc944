DROP TABLE invitations;
DROP TABLE one_time_tokens;
DROP TABLE business_unit_memberships;
DROP TABLE company_memberships;
DROP TABLE auth_audit_logs;
DROP TABLE sessions;
DROP TABLE users;
