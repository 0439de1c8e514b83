-- Tables with what decides whether a row of old fits on new, and whether its changes can be replicated.
SELECT coalesce(json_agg(t), '[]')::text
FROM (
    SELECT
        format('%I.%I', n.nspname, c.relname) AS name,
        c.relkind AS kind,
        c.relpersistence AS persistence,
        c.relreplident AS replica_identity,
        c.reltuples::bigint AS rows,
        CASE WHEN c.relispartition THEN (
            SELECT format('%I.%I', rn.nspname, r.relname)
            FROM pg_class r
            JOIN pg_namespace rn ON rn.oid = r.relnamespace
            WHERE r.oid = pg_partition_root(c.oid)
        ) END AS root,
        coalesce((
            SELECT json_agg(a.attname ORDER BY k.place)
            FROM pg_index i
            CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
            WHERE i.indrelid = c.oid
                AND i.indisvalid
                AND k.place <= i.indnkeyatts
                AND CASE c.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END
        ), '[]') AS key,
        coalesce((
            SELECT json_agg(json_build_object(
                'name', a.attname,
                'type', format_type(a.atttypid, a.atttypmod),
                'not_null', a.attnotnull,
                'default', pg_get_expr(d.adbin, d.adrelid),
                'generated', a.attgenerated <> '',
                'identity', a.attidentity,
                'collation', CASE WHEN a.attcollation <> 0 THEN (
                    SELECT format('%I.%I', cn.nspname, cc.collname)
                    FROM pg_collation cc
                    JOIN pg_namespace cn ON cn.oid = cc.collnamespace
                    WHERE cc.oid = a.attcollation
                ) END
            ) ORDER BY a.attnum)
            FROM pg_attribute a
            LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        ), '[]') AS columns,
        coalesce((
            SELECT json_agg(json_build_object(
                'name', k.conname,
                'kind', k.contype,
                'definition', pg_get_constraintdef(k.oid)
            ) ORDER BY k.conname)
            FROM pg_constraint k
            -- From version 18 on NOT NULL is a constraint too; columns tell it for every version.
            WHERE k.conrelid = c.oid AND k.contype NOT IN ('t', 'n')
        ), '[]') AS constraints,
        coalesce((
            SELECT json_agg(json_build_object(
                'name', ic.relname,
                'unique', i.indisunique,
                'valid', i.indisvalid,
                'definition',
                    replace(pg_get_indexdef(i.indexrelid), format(' %I ON ', ic.relname), ' ON ')
            ) ORDER BY ic.relname)
            FROM pg_index i
            JOIN pg_class ic ON ic.oid = i.indexrelid
            WHERE i.indrelid = c.oid
                AND NOT EXISTS (
                    SELECT FROM pg_constraint k
                    WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
                )
        ), '[]') AS indexes,
        coalesce((
            SELECT json_agg(json_build_object(
                'name', g.tgname,
                'enabled', g.tgenabled,
                'definition', pg_get_triggerdef(g.oid)
            ) ORDER BY g.tgname)
            FROM pg_trigger g
            WHERE g.tgrelid = c.oid AND NOT g.tgisinternal
        ), '[]') AS triggers
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p')
        AND c.relpersistence <> 't'
        AND n.nspname !~ '^pg_'
        AND n.nspname NOT IN ('information_schema', 'changeover')
        AND NOT EXISTS (
            SELECT FROM pg_depend x
            WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e'
        )
) t
