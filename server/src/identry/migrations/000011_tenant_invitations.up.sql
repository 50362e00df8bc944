-- An invitation offers a role in the company or, when this is not null, groups of the tenant that the company is.
ALTER TABLE invitations ADD COLUMN group_ids uuid[];
CREATE INDEX invitations_by_company ON invitations (company_id, created_at DESC, id DESC);
