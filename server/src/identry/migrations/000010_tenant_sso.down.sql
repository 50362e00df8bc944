DROP TABLE tenant_domains, tenant_oidc_groups, tenant_oidc_config;
