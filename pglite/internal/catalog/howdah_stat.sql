/*
 * howdah_stat: the figures of the server, as its --admin endpoint has them.
 * initdb runs this after system_views.sql. To add it to a database of a
 * cluster made before, run it as superuser after
 *     SET allow_system_table_mods = on;
 */

CREATE FUNCTION pg_catalog.howdah_stat_file(
    OUT name text, OUT value float8, OUT unit text, OUT description text)
RETURNS SETOF record
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog
AS $$
SELECT * FROM json_to_recordset(pg_read_file('/howdah/stat')::json)
    AS f (name text, value float8, unit text, description text)
$$;

CREATE VIEW pg_catalog.howdah_stat AS
    SELECT * FROM pg_catalog.howdah_stat_file();

GRANT SELECT ON pg_catalog.howdah_stat TO PUBLIC;

