-- Without its groups an open invitation would offer a role that nobody offered.
DELETE FROM invitations WHERE group_ids IS NOT NULL;
DROP INDEX invitations_by_company;
ALTER TABLE invitations DROP COLUMN group_ids;
