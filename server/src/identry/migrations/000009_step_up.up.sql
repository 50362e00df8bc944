-- Sensitive operations ask for a recent second factor where the tenant wants it.
ALTER TABLE tenants ADD COLUMN mfa_for_changes boolean NOT NULL DEFAULT false;
ALTER TABLE sessions ADD COLUMN factor_at timestamptz; -- when a code was last proven in it; null: not since the sign-in
