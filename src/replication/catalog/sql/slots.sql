-- Logical slots of this database.
SELECT coalesce(json_agg(s), '[]')::text
FROM (
    SELECT slot_name AS name, plugin, active AS is_active, wal_status
    FROM pg_replication_slots
    WHERE slot_type = 'logical' AND database = current_database()
) s
