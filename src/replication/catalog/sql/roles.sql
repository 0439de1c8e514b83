-- Roles, and the roles whose rights they have.
SELECT coalesce(json_agg(r), '[]')::text
FROM (
    SELECT
        a.rolname AS name,
        a.rolcanlogin AS can_login,
        a.rolsuper AS is_superuser,
        coalesce((
            SELECT json_agg(DISTINCT pg_get_userbyid(m.roleid))
            FROM pg_auth_members m
            WHERE m.member = a.oid
        ), '[]') AS member_of
    FROM pg_roles a
    WHERE a.rolname !~ '^pg_'
) r
