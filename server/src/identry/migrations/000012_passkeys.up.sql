-- Passkeys: the public halves of keys that live in people's devices, and the challenges that those sign.

-- What authenticators store beside a key; random, so that it tells nobody who the user is (WebAuthn L3 §14.6.1).
CREATE TABLE passkey_handles (
    user_id uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    handle bytea NOT NULL UNIQUE CHECK (length(handle) BETWEEN 16 AND 64),
    created_at timestamptz NOT NULL
);

CREATE TABLE passkeys (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    credential_id bytea NOT NULL UNIQUE CHECK (length(credential_id) BETWEEN 1 AND 1023),
    public_key bytea NOT NULL, -- COSE_Key, as the authenticator gave it
    sign_count bigint NOT NULL, -- of the newest use; an authenticator that counts never goes back
    aaguid uuid NOT NULL, -- the make of the authenticator, as far as it says
    transports text[] NOT NULL DEFAULT '{}',
    backup_eligible boolean NOT NULL, -- may exist on several devices; never changes
    backed_up boolean NOT NULL,
    name text NOT NULL CHECK (name <> ''),
    created_at timestamptz NOT NULL,
    last_used_at timestamptz
) WITH (fillfactor = 85);
CREATE INDEX passkeys_by_user ON passkeys (user_id);

CREATE TABLE passkey_challenges (
    challenge_hash bytea PRIMARY KEY,
    purpose text NOT NULL CHECK (purpose IN ('register', 'login', 'second_factor')),
    user_id uuid REFERENCES users (id) ON DELETE CASCADE, -- null: whoever it will turn out to be
    binding_hash bytea NOT NULL, -- of the session, ticket or browser that asked
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    consumed_at timestamptz
);
CREATE INDEX passkey_challenges_by_expiry ON passkey_challenges (expires_at);
