-- Whether only members of an application (and administrators of the platform) may sign in there.

ALTER TABLE clients ADD COLUMN members_only boolean NOT NULL DEFAULT false;
