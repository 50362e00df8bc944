-- The second factor: one authenticator app for each user, and codes for the day it is lost.

CREATE TABLE totp_factors (
    user_id uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    secret_encrypted bytea NOT NULL, -- sealed with the user's id as additional data
    key_id text NOT NULL, -- of the key it is sealed under
    created_at timestamptz NOT NULL,
    confirmed_at timestamptz, -- null: shown to the user, not proven yet
    last_step bigint NOT NULL DEFAULT 0, -- the newest 30-second step that was accepted; no code works twice
    failures integer NOT NULL DEFAULT 0, -- wrong codes since failures_since, over any number of sign-ins
    failures_since timestamptz
) WITH (fillfactor = 70);

CREATE TABLE recovery_codes (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    selector smallint NOT NULL CHECK (selector BETWEEN 0 AND 255), -- finds the one row whose hash is worth computing
    code_hash text NOT NULL, -- PHC string: 50 bits are too few for a plain hash
    created_at timestamptz NOT NULL,
    used_at timestamptz,
    UNIQUE (user_id, selector)
);
