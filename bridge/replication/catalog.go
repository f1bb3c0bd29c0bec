package replication

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
)

// lineageSQL reads all that decides about one table in one statement, as JSON: $1
// is its OID, $2 the names of the publications.
const lineageSQL = `
with line as (
	select relid::oid as oid, ord - 1 as level
	from pg_catalog.pg_partition_ancestors($1::bigint::oid) with ordinality as a (relid, ord)
	union
	select $1::bigint::oid, 0
)
select pg_catalog.json_build_object(
	'Kind', (select relkind from pg_catalog.pg_class where oid = $1::bigint::oid),
	'Ancestors', coalesce((
		select pg_catalog.json_agg(pg_catalog.json_build_object(
			'OID', c.oid::bigint, 'Schema', n.nspname, 'Name', c.relname, 'Identity', c.relreplident,
			'Columns', (
				select pg_catalog.json_agg(pg_catalog.json_build_object(
					'Name', a.attname, 'Number', a.attnum, 'Type', a.atttypid::bigint, 'Typmod', a.atttypmod, 'Stored', a.attgenerated = 's',
					'Key', c.relreplident = 'f' or exists (
						select from pg_catalog.pg_index i
						where i.indrelid = c.oid and a.attnum = any (i.indkey)
						and (c.relreplident = 'd' and i.indisprimary or c.relreplident = 'i' and i.indisreplident))
				) order by a.attnum)
				from pg_catalog.pg_attribute a
				where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated <> 'v')
		) order by l.level)
		from line l join pg_catalog.pg_class c on c.oid = l.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
		where l.level > 0), '[]'),
	'Publications', coalesce((
		select pg_catalog.json_agg(pg_catalog.json_build_object(
			'Name', p.pubname, 'AllTables', p.puballtables, 'ViaRoot', p.pubviaroot, 'StoredToo', p.pubgencols = 's',
			'Insert', p.pubinsert, 'Update', p.pubupdate, 'Delete', p.pubdelete, 'Truncate', p.pubtruncate,
			'Members', (
				select pg_catalog.json_agg(pg_catalog.json_build_object(
					'Level', l.level, 'Columns', r.prattrs::smallint[], 'Filter', coalesce(pg_catalog.pg_get_expr(r.prqual, r.prrelid), ''),
					'Uses', (
						select pg_catalog.json_agg(distinct a.attname)
						from pg_catalog.pg_depend d join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
						where d.classid = 'pg_catalog.pg_publication_rel'::regclass and d.objid = r.oid
						and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjsubid > 0)))
				from pg_catalog.pg_publication_rel r join line l on l.oid = r.prrelid where r.prpubid = p.oid),
			'Schemas', (
				select pg_catalog.json_agg(l.level)
				from pg_catalog.pg_publication_namespace s
				join pg_catalog.pg_class c on c.relnamespace = s.pnnspid join line l on l.oid = c.oid
				where s.pnpubid = p.oid)
		) order by p.oid)
		from pg_catalog.pg_publication p where p.pubname = any ($2)), '[]')
)::text`

// versionSQL changes whenever a publication does, or the tree of partitions.
const versionSQL = `select pg_catalog.md5(pg_catalog.concat_ws(';',
	(select pg_catalog.string_agg(p.oid || ':' || p.xmin::text || p.ctid::text, ',' order by p.oid) from pg_catalog.pg_publication p),
	(select pg_catalog.string_agg(r.oid || ':' || r.xmin::text || r.ctid::text, ',' order by r.oid) from pg_catalog.pg_publication_rel r),
	(select pg_catalog.string_agg(n.oid || ':' || n.xmin::text, ',' order by n.oid) from pg_catalog.pg_publication_namespace n),
	(select pg_catalog.count(*) || ':' || coalesce(pg_catalog.max(i.xmin::text::bigint), 0) from pg_catalog.pg_inherits i))),
	(pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text::numeric % 4294967296)::bigint`

// lineageOf reads what is to be known about the publications of a table.
func lineageOf(ctx context.Context, db *sql.DB, oid uint32, publications []string) (*lineage, error) {
	var text string
	if err := db.QueryRowContext(ctx, lineageSQL, int64(oid), publications).Scan(&text); err != nil {
		return nil, fmt.Errorf("read the publications of table %d: %w", oid, err)
	}
	var l lineage
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		return nil, fmt.Errorf("read the publications of table %d: %w", oid, err)
	}
	return &l, nil
}

// catalogVersion tells whether what lineageOf has read may have changed, and the
// oldest transaction that was running when it looked.
func catalogVersion(ctx context.Context, db *sql.DB) (v string, xmin uint32, err error) {
	if err = db.QueryRowContext(ctx, versionSQL).Scan(&v, &xmin); err != nil {
		err = fmt.Errorf("read the version of the publications: %w", err)
	}
	return v, xmin, err
}
