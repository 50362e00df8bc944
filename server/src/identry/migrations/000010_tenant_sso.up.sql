-- Single sign-on of a tenant's own: one provider for each tenant, and the e-mail domains that it proved.

CREATE TABLE tenant_oidc_config (
    tenant_id uuid PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
    provider text NOT NULL CHECK (provider IN ('entra', 'oidc')),
    issuer text, -- of oidc, to the letter
    directory_tenant_id uuid, -- of entra
    client_id text NOT NULL,
    client_secret_encrypted bytea NOT NULL, -- sealed with the tenant's id as additional data
    key_id text NOT NULL, -- of the key it is sealed under
    display_name text NOT NULL,
    enabled boolean NOT NULL,
    jit boolean NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CHECK ((provider = 'oidc') = (issuer IS NOT NULL) AND (provider = 'entra') = (directory_tenant_id IS NOT NULL))
);
-- A directory belongs to one tenant, whose people its people become.
CREATE UNIQUE INDEX tenant_oidc_config_by_directory ON tenant_oidc_config (directory_tenant_id) WHERE enabled;

-- The groups of whoever gets an account at a first sign-in; a group of another tenant cannot stand here.
CREATE TABLE tenant_oidc_groups (
    tenant_id uuid NOT NULL REFERENCES tenant_oidc_config (tenant_id) ON DELETE CASCADE,
    group_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, group_id),
    FOREIGN KEY (group_id, tenant_id) REFERENCES groups (id, tenant_id) ON DELETE CASCADE
);

CREATE TABLE tenant_domains (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    domain text NOT NULL, -- lower-case A-labels
    token text NOT NULL, -- no secret: it stands in the DNS
    created_at timestamptz NOT NULL,
    verified_at timestamptz, -- null: claimed, which anybody may
    PRIMARY KEY (tenant_id, domain)
);
CREATE UNIQUE INDEX tenant_domains_verified ON tenant_domains (domain) WHERE verified_at IS NOT NULL;
