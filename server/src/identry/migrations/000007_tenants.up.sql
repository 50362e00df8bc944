-- A tenant is a company as its own people see it (same id): who belongs to it, which groups it has, what those may do.

CREATE TABLE tenants (
    id uuid PRIMARY KEY, -- of the company, when there is one
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name text NOT NULL CHECK (name <> ''),
    is_active boolean NOT NULL DEFAULT true,
    auth_policy text NOT NULL DEFAULT 'standard' CHECK (auth_policy IN ('standard', 'restricted')),
    allowed_email_domains text[] NOT NULL DEFAULT '{}',
    mfa_required boolean NOT NULL DEFAULT false,
    access_version integer NOT NULL DEFAULT 1, -- +1 with every change of members, groups or what these may do
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE tenant_members (
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id)
);
CREATE INDEX tenant_members_by_user ON tenant_members (user_id);

CREATE TABLE groups (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name text NOT NULL CHECK (name <> ''),
    description text NOT NULL DEFAULT '',
    permissions text[] NOT NULL DEFAULT '{}',
    built_in boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (id, tenant_id)
);
CREATE UNIQUE INDEX groups_by_name ON groups (tenant_id, lower(name));

-- Both keys carry the tenant: a group can have no member of another tenant, whatever a statement says.
CREATE TABLE group_members (
    group_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (group_id, user_id),
    FOREIGN KEY (group_id, tenant_id) REFERENCES groups (id, tenant_id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, user_id) REFERENCES tenant_members (tenant_id, user_id) ON DELETE CASCADE
);
CREATE INDEX group_members_by_user ON group_members (tenant_id, user_id);

-- Companies that exist already become tenants, with the groups that every tenant has (identry/permissions).
INSERT INTO tenants (id, slug, name, created_at, updated_at)
SELECT company_id, company_id::text, 'Company ' || left(company_id::text, 8), min(created_at), min(created_at)
FROM company_memberships GROUP BY company_id;

INSERT INTO tenant_members (tenant_id, user_id, is_active, created_at, updated_at)
SELECT company_id, user_id, is_active, created_at, updated_at FROM company_memberships;

INSERT INTO groups (id, tenant_id, name, description, permissions, built_in, created_at, updated_at)
SELECT gen_random_uuid(), t.id, b.name, b.description, b.permissions, true, t.created_at, t.created_at
FROM tenants t CROSS JOIN (VALUES
    ('Admin', 'May do everything.', ARRAY['*']),
    ('Read only', 'Sees everything except maintenance, VPN and backup.', ARRAY[
        'assets:read', 'changes:read', 'compliance:read', 'diagrams:read', 'incidents:read', 'knowledge:read',
        'problems:read', 'rbac:read', 'releases:read', 'security:read', 'service-requests:read', 'settings:read',
        'sites:read', 'users:read', 'vendors:read', 'vulnerabilities:read'])
) AS b (name, description, permissions);
