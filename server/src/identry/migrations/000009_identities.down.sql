DROP TABLE pending_logins;
DROP TABLE identities;
