-- Everything that has an owner and grants. What an owner may do goes without saying, so it is left out.
WITH objects AS (
    SELECT
        'database' AS kind, 'this database' AS name, d.datdba AS owner,
        coalesce(d.datacl, acldefault('d', d.datdba)) AS grants, NULL AS definition
    FROM pg_database d
    WHERE d.datname = current_database()
    UNION ALL
    SELECT
        'schema', quote_ident(n.nspname), n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner)), NULL
    FROM pg_namespace n
    WHERE n.nspname !~ '^pg_'
        AND n.nspname NOT IN ('information_schema', 'changeover')
        AND NOT EXISTS (
            SELECT FROM pg_depend x
            WHERE x.classid = 'pg_namespace'::regclass AND x.objid = n.oid AND x.deptype = 'e'
        )
    UNION ALL
    SELECT
        CASE c.relkind
            WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
            WHEN 'f' THEN 'foreign table' ELSE 'table'
        END,
        format('%I.%I', n.nspname, c.relname),
        c.relowner,
        coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner)),
        CASE WHEN c.relkind IN ('v', 'm') THEN md5(pg_get_viewdef(c.oid)) END
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND c.relpersistence <> 't'
        AND n.nspname !~ '^pg_'
        AND n.nspname NOT IN ('information_schema', 'changeover')
        AND NOT EXISTS (
            SELECT FROM pg_depend x
            WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e'
        )
    UNION ALL
    SELECT
        'routine', p.oid::regprocedure::text, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner)),
        CASE WHEN p.prokind <> 'a' THEN md5(pg_get_functiondef(p.oid)) END
    FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^pg_'
        AND n.nspname NOT IN ('information_schema', 'changeover')
        AND NOT EXISTS (
            SELECT FROM pg_depend x
            WHERE x.classid = 'pg_proc'::regclass AND x.objid = p.oid AND x.deptype = 'e'
        )
)
SELECT coalesce(json_agg(o), '[]')::text
FROM (
    SELECT
        b.kind,
        b.name,
        pg_get_userbyid(b.owner) AS owner,
        b.definition,
        coalesce((
            SELECT json_agg(json_build_object(
                'grantee', CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee) END,
                'privilege', g.privilege_type
            ) ORDER BY g.grantee, g.privilege_type)
            FROM aclexplode(b.grants) g
            WHERE g.grantee <> b.owner
        ), '[]') AS grants
    FROM objects b
) o
