DROP TABLE company_entitlements;
