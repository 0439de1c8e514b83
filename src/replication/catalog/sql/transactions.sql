-- Transactions that a new slot has to wait for, in whatever database of the server.
SELECT coalesce(json_agg(t ORDER BY t.age_s DESC), '[]')::text
FROM (
    SELECT
        'prepared' AS kind,
        gid AS name,
        owner::text AS role,
        extract(epoch FROM clock_timestamp() - prepared)::bigint AS age_s
    FROM pg_prepared_xacts
    UNION ALL
    SELECT
        'open',
        pid::text,
        coalesce(usename::text, '?'),
        extract(epoch FROM clock_timestamp() - xact_start)::bigint
    FROM pg_stat_activity
    WHERE xact_start IS NOT NULL
        AND pid <> pg_backend_pid()
        AND backend_type = 'client backend'
) t
