ALTER TABLE clients DROP COLUMN sign_up;
