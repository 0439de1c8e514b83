-- Subscriptions of this database. Their connection strings hold secrets and are not asked for.
SELECT coalesce(json_agg(s), '[]')::text
FROM (
    SELECT
        b.subname AS name,
        b.subenabled AS is_enabled,
        b.subslotname AS slot,
        b.subpublications AS publications,
        {origin} AS origin,
        {errors} AS errors,
        coalesce((
            SELECT json_object_agg(format('%I.%I', n.nspname, c.relname), r.srsubstate)
            FROM pg_subscription_rel r
            JOIN pg_class c ON c.oid = r.srrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE r.srsubid = b.oid
        ), '{}') AS tables
    FROM pg_subscription b
    WHERE b.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
) s
