-- What a company bought, for deployments whose plans are built in. No row: the catalogue's default plan.
CREATE TABLE company_entitlements (
    company_id uuid PRIMARY KEY,
    plan text NOT NULL CHECK (plan ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
    version integer NOT NULL DEFAULT 1, -- +1 with every change, never reset: caches tell old from new by it
    updated_at timestamptz NOT NULL
);
