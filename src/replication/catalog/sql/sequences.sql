-- Sequences and how far they have come. NULL where nothing was drawn yet, or where the role may not look.
SELECT coalesce(json_agg(s), '[]')::text
FROM (
    SELECT
        format('%I.%I', n.nspname, c.relname) AS name,
        q.seqincrement AS increment,
        q.seqmin AS min,
        q.seqmax AS max,
        q.seqstart AS start,
        q.seqcycle AS cycles,
        has_sequence_privilege(c.oid, 'SELECT, USAGE') AS readable,
        CASE WHEN has_sequence_privilege(c.oid, 'SELECT, USAGE')
            THEN pg_sequence_last_value(c.oid)
        END AS last
    FROM pg_sequence q
    JOIN pg_class c ON c.oid = q.seqrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relpersistence <> 't'
        AND n.nspname !~ '^pg_'
        AND n.nspname NOT IN ('information_schema', 'changeover')
        AND NOT EXISTS (
            SELECT FROM pg_depend x
            WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e'
        )
) s
