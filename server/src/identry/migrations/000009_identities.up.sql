-- Who somebody is elsewhere, and sign-ins that are under way there.

CREATE TABLE identities (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('entra', 'oidc')),
    issuer text NOT NULL,
    directory_id text NOT NULL DEFAULT '', -- Entra's tid
    subject text NOT NULL, -- Entra's oid, elsewhere sub
    email text, -- as the provider told it last: shown, never looked up
    full_name text,
    created_at timestamptz NOT NULL,
    last_login_at timestamptz,
    UNIQUE (issuer, directory_id, subject)
);
CREATE INDEX identities_by_user ON identities (user_id);

CREATE TABLE pending_logins (
    state_hash bytea PRIMARY KEY,
    binding_hash bytea NOT NULL, -- of the browser's cookie
    provider_key text NOT NULL,
    sealed bytea NOT NULL, -- PKCE verifier, nonce, the provider as it was; with the state's hash as additional data
    return_to text NOT NULL,
    user_id uuid REFERENCES users (id) ON DELETE CASCADE, -- who links an identity; null: a sign-in
    session_id uuid, -- in which session
    invitation_hash bytea,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX pending_logins_by_expiry ON pending_logins (expires_at);
