-- Sensitive operations ask for a recent second factor where the tenant wants it.
ALTER TABLE tenants ADD COLUMN mfa_for_changes boolean NOT NULL DEFAULT false;
ALTER TABLE sessions ADD COLUMN factor_at timestamptz; -- when a code was last proven in it; null: not since the sign-in

-- Secrets that were shown and wait for their first code: few, and forgotten after ten minutes.
CREATE INDEX totp_factors_pending ON totp_factors (created_at) WHERE confirmed_at IS NULL;
