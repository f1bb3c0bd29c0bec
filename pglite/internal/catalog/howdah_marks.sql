/*
 * howdah_marks and the functions that make, drop and go back to marks: named
 * moments of a cluster in memory. EXECUTE on them can be granted; what they
 * open nobody but the bootstrap superuser may (see pglite/marks_files.go).
 *
 * initdb runs this after howdah_stat.sql. To add it to a database of a cluster
 * made before, run it as superuser after
 *     SET allow_system_table_mods = on;
 */

CREATE FUNCTION pg_catalog.howdah_marks_file(
    OUT name text, OUT taken timestamptz, OUT bytes int8, OUT own_bytes int8)
RETURNS SETOF record
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog
AS $$
SELECT * FROM json_to_recordset(pg_read_file('/howdah/marks')::json)
    AS f (name text, taken timestamptz, bytes int8, own_bytes int8)
$$;

CREATE VIEW pg_catalog.howdah_marks AS
    SELECT * FROM pg_catalog.howdah_marks_file();

GRANT SELECT ON pg_catalog.howdah_marks TO PUBLIC;

CREATE FUNCTION pg_catalog.howdah_mark(name text) RETURNS void
LANGUAGE sql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog
AS $$
CHECKPOINT;
SELECT pg_read_file('/howdah/mark/' || name)
$$;

CREATE FUNCTION pg_catalog.howdah_unmark(name text) RETURNS void
LANGUAGE sql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog
AS $$
SELECT pg_read_file('/howdah/unmark/' || name)
$$;

CREATE FUNCTION pg_catalog.howdah_rewind(name text) RETURNS void
LANGUAGE sql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog
AS $$
SELECT pg_read_file('/howdah/rewind/' || name)
$$;

REVOKE EXECUTE ON FUNCTION pg_catalog.howdah_mark(text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.howdah_unmark(text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.howdah_rewind(text) FROM PUBLIC;

