-- Extensions and their versions.
SELECT coalesce(json_object_agg(extname, extversion), '{}')::text
FROM pg_extension
