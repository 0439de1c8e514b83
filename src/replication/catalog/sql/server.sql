-- The server and the database: what decides whether logical replication can run at all.
SELECT json_build_object(
    'version', current_setting('server_version_num')::int,
    'database', current_database(),
    'role', current_user,
    'in_recovery', pg_is_in_recovery(),
    'wal_level', current_setting('wal_level'),
    'slots', current_setting('max_replication_slots')::int,
    'slots_used', (SELECT count(*) FROM pg_replication_slots),
    'senders', current_setting('max_wal_senders')::int,
    'senders_used', (SELECT count(*) FROM pg_stat_replication),
    'apply_workers', current_setting('max_logical_replication_workers')::int,
    'sync_workers', current_setting('max_sync_workers_per_subscription')::int,
    'worker_processes', current_setting('max_worker_processes')::int,
    'encoding', pg_encoding_to_char(d.encoding),
    'collate', d.datcollate,
    'ctype', d.datctype,
    -- Columns that came with versions 15 and 17 are read through JSON, so that older servers have NULL for them.
    'provider', to_jsonb(d) ->> 'datlocprovider',
    'locale', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
    'collation_recorded', to_jsonb(d) ->> 'datcollversion',
    'collation_version', pg_collation_actual_version('"default"'::regcollation),
    'large_objects', (SELECT count(*) FROM pg_largeobject_metadata),
    'sees_activity', pg_has_role('pg_read_all_stats', 'USAGE')
)::text
FROM pg_database d
WHERE d.datname = current_database()
