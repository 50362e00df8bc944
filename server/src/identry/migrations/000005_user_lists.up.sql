-- Staff are few: who they are, and whether one is the last, is asked without reading every account.
CREATE INDEX users_staff ON users (global_role) WHERE global_role <> 'NONE';

-- A search for a part of an address or name reads every account. Where the server offers pg_trgm, an index spares it that;
-- where it does not (or the role may not create extensions) the same statement runs without.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX users_searched ON users USING gin ((email || E'\n' || full_name) gin_trgm_ops);
EXCEPTION
    WHEN undefined_file OR feature_not_supported OR insufficient_privilege OR undefined_object THEN NULL;
END
$$;
