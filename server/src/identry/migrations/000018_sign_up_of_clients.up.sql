-- Whether strangers may make themselves an account at this application: as the deployment says, or otherwise.

ALTER TABLE clients
    ADD COLUMN sign_up text NOT NULL DEFAULT 'inherit' CHECK (sign_up IN ('inherit', 'open', 'closed'));
