-- Signing keys. A key's state (published, active, retiring, gone) follows from its times alone; nothing has to run at them.

CREATE TABLE signing_keys (
    kid text PRIMARY KEY CHECK (length(kid) BETWEEN 1 AND 128),
    algorithm text NOT NULL CHECK (algorithm IN ('RS256', 'ES256', 'EdDSA')),
    public_jwk jsonb NOT NULL CHECK (NOT public_jwk ?| ARRAY['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']),
    private_key_encrypted bytea, -- PKCS#8, sealed with the kid as associated data; null: its holder has it from its environment
    source text NOT NULL CHECK (source IN ('configured', 'managed')),
    created_at timestamptz NOT NULL,
    activate_at timestamptz NOT NULL, -- signs from here on, unless a newer key does
    retire_at timestamptz, -- leaves the JWKS; null: no successor yet
    revoked_at timestamptz, -- withdrawn in an emergency: never signs and is never published again
    CHECK ((source = 'managed') = (private_key_encrypted IS NOT NULL))
);
