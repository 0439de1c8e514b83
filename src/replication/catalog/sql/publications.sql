-- Publications, and the tables that they publish in the end.
SELECT coalesce(json_agg(p), '[]')::text
FROM (
    SELECT
        b.pubname AS name,
        b.pubinsert AND b.pubupdate AND b.pubdelete AND b.pubtruncate AS publishes_all,
        coalesce((
            SELECT json_agg(format('%I.%I', t.schemaname, t.tablename))
            FROM pg_publication_tables t
            WHERE t.pubname = b.pubname
        ), '[]') AS tables,
        -- Row filters and lists of columns came with version 15.
        coalesce((
            SELECT json_agg(format('%I.%I', n.nspname, c.relname))
            FROM pg_publication_rel r
            JOIN pg_class c ON c.oid = r.prrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE r.prpubid = b.oid
                AND coalesce(to_jsonb(r) ->> 'prqual', to_jsonb(r) ->> 'prattrs') IS NOT NULL
        ), '[]') AS partial
    FROM pg_publication b
) p
