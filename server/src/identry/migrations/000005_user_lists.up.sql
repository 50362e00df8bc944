-- Staff are few: who they are, and whether one is the last, is asked without reading every account.
CREATE INDEX users_staff ON users (global_role) WHERE global_role <> 'NONE';
-- So are the registrations that wait for approval.
CREATE INDEX users_not_approved ON users (approval_status, created_at DESC, id DESC) WHERE approval_status <> 'APPROVED';
CREATE INDEX users_by_name ON users (full_name, id);

-- A search for a part of an address or name reads every account (half a second for a million). Where the server
-- offers pg_trgm, as almost every one does, an index answers in milliseconds; where it does not (the embedded one of
-- development), or the role may not create extensions, the same statement runs without.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX users_searched ON users USING gin ((email || E'\n' || full_name) gin_trgm_ops);
EXCEPTION
    WHEN undefined_file OR feature_not_supported OR insufficient_privilege OR undefined_object THEN NULL;
END
$$;
