DROP INDEX IF EXISTS users_searched;
DROP INDEX IF EXISTS users_by_name;
DROP INDEX IF EXISTS users_not_approved;
DROP INDEX IF EXISTS users_staff;
