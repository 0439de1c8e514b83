-- Types of the database's own, each with a text that says all of it.
SELECT coalesce(json_object_agg(format('%I.%I', n.nspname, t.typname), d.definition), '{}')::text
FROM pg_type t
JOIN pg_namespace n ON n.oid = t.typnamespace
CROSS JOIN LATERAL (
    SELECT CASE t.typtype
        WHEN 'e' THEN (
            SELECT format('enum (%s)', string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder))
            FROM pg_enum e
            WHERE e.enumtypid = t.oid
        )
        WHEN 'd' THEN concat_ws(
            ' ',
            format('domain over %s', format_type(t.typbasetype, t.typtypmod)),
            CASE WHEN t.typnotnull THEN 'not null' END,
            'default ' || t.typdefault,
            (
                SELECT string_agg(pg_get_constraintdef(k.oid), ' ' ORDER BY pg_get_constraintdef(k.oid))
                FROM pg_constraint k
                WHERE k.contypid = t.oid AND k.contype = 'c'
            )
        )
        WHEN 'r' THEN (
            SELECT format('range of %s', format_type(r.rngsubtype, NULL))
            FROM pg_range r
            WHERE r.rngtypid = t.oid
        )
        ELSE (
            SELECT format('row (%s)', string_agg(
                format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum
            ))
            FROM pg_attribute a
            WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
        )
    END AS definition
) d
WHERE t.typtype IN ('e', 'd', 'r', 'c')
    AND (t.typtype <> 'c' OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
    AND n.nspname !~ '^pg_'
    AND n.nspname NOT IN ('information_schema', 'changeover')
    AND NOT EXISTS (
        SELECT FROM pg_depend x
        WHERE x.classid = 'pg_type'::regclass AND x.objid = t.oid AND x.deptype = 'e'
    )
