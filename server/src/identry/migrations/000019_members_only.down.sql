ALTER TABLE clients DROP COLUMN members_only;
