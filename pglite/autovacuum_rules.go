package pglite

import (
	"fmt"
	"strconv"
	"time"
)

// databasesSQL lists databases, those close to wraparound first: name, whether
// it allows connections, whether it is close, figures that change with its
// tables or with the settings, whether autovacuum is on, and the naptime in
// seconds. Shared catalogs, whose figures are those of database 0, belong to the
// host's database here.
const databasesSQL = `with changed as (
	select datid, tup_inserted + tup_updated + tup_deleted as changes from pg_catalog.pg_stat_database
) select d.datname, d.datallowconn,
	pg_catalog.age(d.datfrozenxid) > current_setting('autovacuum_freeze_max_age')::int
		or pg_catalog.mxid_age(d.datminmxid) > current_setting('autovacuum_multixact_freeze_max_age')::int as forced,
	nullif(coalesce(s.changes, 0) + case when d.datname = current_database() then coalesce(shared.changes, 0) else 0 end, 0) || ' ' || d.oid || ' ' || settings.string,
	current_setting('autovacuum')::bool and current_setting('track_counts')::bool,
	extract(epoch from current_setting('autovacuum_naptime')::interval)::int
from pg_catalog.pg_database d
left join changed s on s.datid = d.oid
left join changed shared on shared.datid = 0,
(select string_agg(setting, ' ' order by name) from pg_catalog.pg_settings where name like 'autovacuum%') settings (string)
where d.datconnlimit <> -2
order by forced desc, d.oid`

// tablesSQL is what relation_needs_vacanalyze decides, with table_recheck_autovac's
// parameters, for the tables that a condition leaves: in float4 as there, and
// with a table that has no entry of statistics as one with zeros, which comes
// to the same. Temporary tables are left alone, also those of dead backends. The
// threshold for multixacts is the setting's even when their members take much
// space (MultiXactMemberFreezeThreshold).
const tablesSQL = `with g as (
	select current_setting('autovacuum')::bool and current_setting('track_counts')::bool as active,
		current_setting('autovacuum_vacuum_threshold')::int as vac_base,
		current_setting('autovacuum_vacuum_scale_factor')::float4 as vac_scale,
		current_setting('autovacuum_vacuum_max_threshold')::int as vac_max,
		current_setting('autovacuum_vacuum_insert_threshold')::int as ins_base,
		current_setting('autovacuum_vacuum_insert_scale_factor')::float4 as ins_scale,
		current_setting('autovacuum_analyze_threshold')::int as anl_base,
		current_setting('autovacuum_analyze_scale_factor')::float4 as anl_scale,
		current_setting('autovacuum_freeze_max_age')::int as xid_max,
		current_setting('autovacuum_multixact_freeze_max_age')::int as multi_max,
		(select d.datistemplate or not d.datallowconn from pg_database d where d.datname = current_database()) as still
), s as (
	select (json_object_agg(name, setting)) as now, (json_object_agg(name, reset_val)) as reset
	from pg_settings where name like '%%vacuum%%'
), t as (
	select c.oid, n.nspname, c.relname, c.relkind, c.relfrozenxid, c.relminmxid,
		greatest(c.reltuples, 0)::float4 as tuples,
		case when c.relpages > 0 and c.relallfrozen > 0 then 1 - least(c.relallfrozen, c.relpages)::float4 / c.relpages::float4 else 1 end::float4 as unfrozen,
		pg_stat_get_dead_tuples(c.oid)::float4 as dead,
		pg_stat_get_ins_since_vacuum(c.oid)::float4 as inserted,
		pg_stat_get_mod_since_analyze(c.oid)::float4 as modified,
		coalesce(c.reloptions, m.reloptions) as options
	from pg_class c join pg_namespace n on n.oid = c.relnamespace
	left join pg_class m on c.relkind = 't' and m.reltoastrelid = c.oid
	where c.relkind in ('r', 'm', 't') and c.relpersistence <> 't' and %s
), o as (
	select t.*, own.*,
		(t.relfrozenxid::text::int8 >= 3 and age(t.relfrozenxid) > least(own.xid_max, g.xid_max)
			or t.relminmxid::text::int8 <> 0 and mxid_age(t.relminmxid) > least(own.multi_max, g.multi_max)) as forced,
		coalesce(own.vac_base, g.vac_base)::float4 + coalesce(own.vac_scale, g.vac_scale) * t.tuples as vac_threshold,
		coalesce(own.vac_most, g.vac_max) as vac_max,
		coalesce(own.ins_own, g.ins_base) as ins_base,
		coalesce(own.ins_own, g.ins_base)::float4 + coalesce(own.ins_scale, g.ins_scale) * t.tuples * t.unfrozen as ins_threshold,
		coalesce(own.anl_base, g.anl_base)::float4 + coalesce(own.anl_scale, g.anl_scale) * t.tuples as anl_threshold,
		g.active, g.still
	from g, t, lateral (
		select coalesce((max(v) filter (where k = 'autovacuum_enabled'))::bool, true) as enabled,
			(max(v) filter (where k = 'autovacuum_vacuum_threshold'))::int as vac_base,
			(max(v) filter (where k = 'autovacuum_vacuum_scale_factor'))::float4 as vac_scale,
			(max(v) filter (where k = 'autovacuum_vacuum_max_threshold'))::int as vac_most,
			(max(v) filter (where k = 'autovacuum_vacuum_insert_threshold'))::int as ins_own,
			(max(v) filter (where k = 'autovacuum_vacuum_insert_scale_factor'))::float4 as ins_scale,
			(max(v) filter (where k = 'autovacuum_analyze_threshold'))::int as anl_base,
			(max(v) filter (where k = 'autovacuum_analyze_scale_factor'))::float4 as anl_scale,
			(max(v) filter (where k = 'autovacuum_freeze_max_age'))::int as xid_max,
			(max(v) filter (where k = 'autovacuum_multixact_freeze_max_age'))::int as multi_max,
			max(v) filter (where k = 'autovacuum_vacuum_cost_delay') as delay,
			max(v) filter (where k = 'autovacuum_vacuum_cost_limit') as cost,
			max(v) filter (where k = 'autovacuum_freeze_min_age') as freeze_min,
			max(v) filter (where k = 'autovacuum_freeze_table_age') as freeze_table,
			max(v) filter (where k = 'autovacuum_multixact_freeze_min_age') as multi_min,
			max(v) filter (where k = 'autovacuum_multixact_freeze_table_age') as multi_table,
			max(v) filter (where k = 'log_autovacuum_min_duration') as log_from
		from pg_options_to_table(t.options) as p (k, v)
	) own
), decided as (
	select o.*,
		o.forced or o.active and (
			o.dead > case when o.vac_max >= 0 then least(o.vac_threshold, o.vac_max::float4) else o.vac_threshold end
			or o.ins_base >= 0 and o.inserted > o.ins_threshold) as do_vacuum,
		o.active and o.modified > o.anl_threshold and o.relkind <> 't' and o.oid <> 2619 as do_analyze
	from o where o.enabled or o.forced
)
select oid, format('%%I.%%I', nspname, relname), do_vacuum, do_analyze, forced, dead, inserted, modified,
	coalesce(log_from, s.now->>'log_autovacuum_min_duration'),
	coalesce(delay, nullif(s.now->>'autovacuum_vacuum_cost_delay', '-1'), s.reset->>'vacuum_cost_delay'),
	coalesce(nullif(cost, '0'), nullif(s.now->>'autovacuum_vacuum_cost_limit', '-1'), s.reset->>'vacuum_cost_limit'),
	coalesce(freeze_min, case when still then '0' end, s.reset->>'vacuum_freeze_min_age'),
	coalesce(freeze_table, case when still then '0' end, s.reset->>'vacuum_freeze_table_age'),
	coalesce(multi_min, case when still then '0' end, s.reset->>'vacuum_multixact_freeze_min_age'),
	coalesce(multi_table, case when still then '0' end, s.reset->>'vacuum_multixact_freeze_table_age')
from decided, s where do_vacuum or do_analyze
order by forced desc, relkind = 't', oid`

// dueTable is a table that is to be vacuumed or analyzed.
type dueTable struct {
	oid             string
	name            string // quoted, with its schema
	vacuum, analyze bool
	forced          bool // against wraparound

	dead, inserted, modified string        // tuples, for the log
	logFrom                  time.Duration // negative: never
	settings                 []string      // values of workerSettings
}

// workerSettings are what a VACUUM that is no autovacuum's takes from settings.
var workerSettings = [...]string{
	"vacuum_cost_delay", "vacuum_cost_limit", "vacuum_freeze_min_age", "vacuum_freeze_table_age",
	"vacuum_multixact_freeze_min_age", "vacuum_multixact_freeze_table_age",
}

// readDue reads a row of tablesSQL.
func readDue(r []string) (t dueTable, err error) {
	const own = 9 // columns before the settings
	if len(r) != own+len(workerSettings) {
		return t, fmt.Errorf("pglite: %d columns about a table", len(r))
	}
	ms, err := strconv.Atoi(r[8])
	if err != nil {
		return t, fmt.Errorf("pglite: log_autovacuum_min_duration: %w", err)
	}
	return dueTable{
		oid: r[0], name: r[1], vacuum: r[2] == "t", analyze: r[3] == "t", forced: r[4] == "t",
		dead: r[5], inserted: r[6], modified: r[7],
		logFrom: time.Duration(ms) * time.Millisecond, settings: r[own:],
	}, nil
}

// statement is the command for the table. The table of large values is one of
// its own; who holds a lock is not waited for unless the table must be frozen.
func (t *dueTable) statement() string {
	skip := ", skip_locked"
	if t.forced {
		skip = ""
	}
	switch {
	case !t.vacuum:
		return "analyze (verbose off" + skip + ") " + t.name
	case t.analyze:
		skip += ", analyze"
	}
	return "vacuum (process_toast off, skip_database_stats" + skip + ") " + t.name
}
