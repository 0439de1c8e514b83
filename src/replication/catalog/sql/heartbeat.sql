-- Who may read the heartbeat, and who may beat; NULL where there is none.
SELECT CASE WHEN h.relid IS NOT NULL THEN json_build_object(
    'readers', (
        SELECT coalesce(json_agg(r.rolname), '[]')
        FROM pg_roles r
        WHERE has_schema_privilege(r.oid, h.schemaid, 'USAGE') AND has_table_privilege(r.oid, h.relid, 'SELECT')
    ),
    'writers', (
        SELECT coalesce(json_agg(r.rolname), '[]')
        FROM pg_roles r
        WHERE has_schema_privilege(r.oid, h.schemaid, 'USAGE') AND has_table_privilege(r.oid, h.relid, 'UPDATE')
    )
) ELSE 'null' END::text
FROM (SELECT to_regclass('changeover.heartbeat')::oid AS relid, to_regnamespace('changeover')::oid AS schemaid) h
