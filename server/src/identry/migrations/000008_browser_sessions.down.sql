DELETE FROM sessions WHERE tenant_id IS NOT NULL;
ALTER TABLE sessions DROP COLUMN tenant_id;
