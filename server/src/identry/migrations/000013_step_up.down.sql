DROP INDEX totp_factors_pending;
ALTER TABLE sessions DROP COLUMN factor_at;
ALTER TABLE tenants DROP COLUMN mfa_for_changes;
