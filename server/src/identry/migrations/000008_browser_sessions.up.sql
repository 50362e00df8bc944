-- A browser's session belongs to one tenant; the platform's sessions to none.
ALTER TABLE sessions ADD COLUMN tenant_id uuid;
