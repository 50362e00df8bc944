DROP TABLE group_members, groups, tenant_members, tenants;
