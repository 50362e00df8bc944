DROP INDEX IF EXISTS users_searched;
DROP INDEX IF EXISTS users_staff;
