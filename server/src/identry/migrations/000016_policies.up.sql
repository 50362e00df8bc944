-- Policies of applications: versions that never change, which one counts and how, and what was decided.

CREATE TABLE policies (
    client_id uuid NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    version integer NOT NULL CHECK (version > 0),
    rules jsonb NOT NULL,
    created_by uuid,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (client_id, version)
);

CREATE TABLE policy_modes (
    client_id uuid PRIMARY KEY REFERENCES clients (id) ON DELETE CASCADE,
    version integer NOT NULL, -- the one that counts
    mode text NOT NULL CHECK (mode IN ('off', 'shadow', 'enforce')),
    updated_at timestamptz NOT NULL,
    FOREIGN KEY (client_id, version) REFERENCES policies (client_id, version) ON DELETE CASCADE
);

CREATE TABLE policy_decisions (
    id uuid PRIMARY KEY,
    client_id uuid NOT NULL,
    subject text NOT NULL,
    action text NOT NULL,
    resource_type text,
    resource_id text,
    allow boolean NOT NULL,
    rule text,
    policy_version integer NOT NULL,
    mode text NOT NULL,
    pep_mode text,
    request_id text
);
CREATE INDEX policy_decisions_by_client ON policy_decisions (client_id, id);
