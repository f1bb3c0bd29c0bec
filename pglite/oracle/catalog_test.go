package oracle_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/pglite"
)

// A listing is a part of what initdb leaves behind, one line a row, by names
// and not by OIDs where those come from initdb's counter.
type listing struct {
	name, sql string
	// differs matches the lines that only one of the two has, for the reason.
	differs, reason string
}

var listings = []listing{
	{name: "relations", sql: `select oid::regclass, relkind, relpersistence, relnatts, relhasindex, relisshared, relacl, relowner::regrole, reloptions
		from pg_class where relnamespace <> 'pg_toast'::regnamespace`},
	{name: "columns", sql: `select attrelid::regclass, attnum, attname, format_type(atttypid, atttypmod), attnotnull, attcollation::regcollation
		from pg_attribute a join pg_class c on c.oid = attrelid where relnamespace <> 'pg_toast'::regnamespace`},
	{name: "indexes", sql: `select pg_get_indexdef(indexrelid), indisprimary from pg_index where indrelid::regclass::text !~ 'pg_toast'`},
	{name: "constraints", sql: `select connamespace::regnamespace, conrelid::regclass, contypid::regtype, conname, pg_get_constraintdef(oid) from pg_constraint`},
	{name: "views", sql: `select oid::regclass, pg_get_viewdef(oid) from pg_class where relkind = 'v'`},
	{name: "functions", sql: `select oid::regprocedure, proowner::regrole, prolang, procost, prorows, provariadic::regtype, prosupport, prokind, prosecdef,
		proleakproof, proisstrict, proretset, provolatile, proparallel, prorettype::regtype, proallargtypes::regtype[], proargmodes, proargnames,
		prosrc, probin, proconfig, proacl, pg_get_function_arguments(oid) from pg_proc`},
	{name: "types", sql: `select oid::regtype, typowner::regrole, typlen, typbyval, typtype, typcategory, typispreferred, typdelim, typrelid::regclass, typelem::regtype,
		typinput, typoutput, typreceive, typsend, typalign, typstorage, typnotnull, typbasetype::regtype, typdefault from pg_type where typname !~ 'pg_toast'`,
		differs: `(bigint|double precision|information_schema.time_stamp|internal|money|pg_ddl_command|pg_lsn|time(stamp)? with(out)? time zone|xid8)\t.*`,
		reason:  "32 bits: eight bytes are passed by reference, and a pointer has four"},
	{name: "operators", sql: `select oid::regoperator, oprcanmerge, oprcanhash, oprresult::regtype, oprcom::regoperator, oprnegate::regoperator, oprcode, oprrest, oprjoin from pg_operator`},
	{name: "operator classes", sql: `select c.oid, opcname, amname, opcintype::regtype, opcdefault, opckeytype::regtype, opfname
		from pg_opclass c join pg_opfamily f on f.oid = opcfamily join pg_am a on a.oid = opcmethod`},
	{name: "operator families", sql: `select amopfamily, amoplefttype::regtype, amoprighttype::regtype, amopstrategy, amoppurpose, amopopr::regoperator, amopmethod from pg_amop
		union all select amprocfamily, amproclefttype::regtype, amprocrighttype::regtype, amprocnum, ' ', amproc::oid, 0 from pg_amproc`},
	{name: "casts", sql: `select castsource::regtype, casttarget::regtype, castfunc::regprocedure, castcontext, castmethod from pg_cast`},
	{name: "aggregates", sql: `select aggfnoid::regprocedure, aggkind, aggtransfn, aggfinalfn, aggcombinefn, aggserialfn, aggmtransfn, aggtranstype::regtype, aggtransspace, agginitval from pg_aggregate`},
	{name: "access methods", sql: `select * from pg_am`},
	{name: "languages", sql: `select lanname, lanispl, lanpltrusted, lanplcallfoid::regproc, laninline::regproc, lanvalidator::regproc, lanacl from pg_language`},
	{name: "extensions", sql: `select extname, extversion, extnamespace::regnamespace from pg_extension`},
	{name: "conversions", sql: `select conname, pg_encoding_to_char(conforencoding), pg_encoding_to_char(contoencoding), conproc, condefault from pg_conversion`},
	{name: "collations", sql: `select collname, collprovider, collisdeterministic, pg_encoding_to_char(collencoding), collcollate, collctype, colllocale from pg_collation`,
		differs: `.*-x-icu\t.*|(C|en_US)(\.utf8)?\tc\t.*`,
		reason:  "initdb takes what ICU's data and locale -a list, and PGlite has ICU's root only"},
	{name: "text search configurations", sql: `select cfgname, cfgparser, maptokentype, mapseqno, dictname from pg_ts_config c
		join pg_ts_config_map m on mapcfg = c.oid join pg_ts_dict d on mapdict = d.oid`},
	{name: "text search dictionaries", sql: `select dictname, dictinitoption, tmplname, tmplinit, tmpllexize from pg_ts_dict d join pg_ts_template t on t.oid = dicttemplate`},
	{name: "text search parsers", sql: `select prsname, prsstart, prstoken, prsend, prsheadline, prslextype from pg_ts_parser`},
	{name: "descriptions", sql: `select pg_describe_object(classoid, objoid, objsubid), description from pg_description`,
		differs: `collation "[^"]*"\t.*`, reason: "the collations above"},
	{name: "dependencies", sql: `select pg_describe_object(classid, objid, objsubid), pg_describe_object(refclassid, refobjid, refobjsubid), deptype from pg_depend
		where pg_describe_object(classid, objid, objsubid) !~ 'toast'`},
	{name: "initial privileges", sql: `select pg_describe_object(classoid, objoid, objsubid), privtype, initprivs from pg_init_privs`},
	{name: "schemas", sql: `select nspname, nspowner::regrole, nspacl from pg_namespace`},
	{name: "roles", sql: `select * from pg_roles`},
	{name: "memberships", sql: `select roleid::regrole, member::regrole, grantor::regrole, admin_option, inherit_option, set_option from pg_auth_members`},
	{name: "databases", sql: `select datname, datdba::regrole, pg_encoding_to_char(encoding), datlocprovider, datistemplate, datallowconn, datconnlimit, datctype, datlocale, datacl from pg_database`},
	{name: "tablespaces", sql: `select spcname, spcowner::regrole, spcacl from pg_tablespace`},
	{name: "rewrite rules", sql: `select ev_class::regclass, rulename, ev_type, is_instead from pg_rewrite`},
	{name: "event triggers", sql: `select * from pg_event_trigger`},
	{name: "SQL features", sql: `select feature_id, sub_feature_id, is_supported, comments from information_schema.sql_features`},
	{name: "SQL sizing", sql: `select * from information_schema.sql_sizing`},
	{name: "SQL implementation", sql: `select implementation_info_name, character_value, integer_value from information_schema.sql_implementation_info`,
		differs: `DBMS VERSION\t.*`, reason: "18.6 against 18.4"},
	{name: "information schema", sql: `select table_name, column_name, ordinal_position, data_type, is_nullable from information_schema.columns where table_schema = 'information_schema'`},
	{name: "time zones", sql: `select name, timestamp '2020-01-15' at time zone name at time zone 'UTC', timestamp '2020-07-15' at time zone name at time zone 'UTC' from pg_timezone_names`},
	{name: "time zone abbreviations", sql: `select * from pg_timezone_abbrevs`},
	{name: "settings", sql: `select name, unit, category, short_desc, context, vartype from pg_settings`,
		differs: `output_plugin_libraries\t.*`, reason: "newer than 18.4"},
	{name: "values of settings", sql: `select name, boot_val from pg_settings`,
		differs: `(bgwriter_flush_after|checkpoint_flush_after|output_plugin_libraries|server_version(_num)?|ssl_(ciphers|groups|library))\t.*`,
		reason:  "the version, no TLS inside, and no sync_file_range"},
	{name: "contrib extensions", sql: `select name, version, superuser, trusted, relocatable, schema, requires from pg_available_extension_versions`,
		differs: `((bool|hstore|jsonb|ltree)_pl.*|dblink|intagg|pg_prewarm|pgrowlocks|pgstattuple|pl(perl|python3|tcl)u?|postgres_fdw|sslinfo|xml2)\t.*`,
		reason:  "PGlite is built without them: other languages, sockets, TLS, libxml"},
}

// TestCatalogs compares what initdb has made, in both databases that it makes
// for users, with a native server's.
func TestCatalogs(t *testing.T) {
	native, howdah := startNative(t), startHowdah(t, pglite.Options{})
	for _, db := range []string{"postgres", "template1"} {
		theirs, ours := &conn{addr: native, database: db}, &conn{addr: howdah, database: db}
		want, got := lists(t, theirs), lists(t, ours)
		for i, l := range listings {
			t.Run(db+"/"+l.name, func(t *testing.T) {
				if len(want[i]) == 0 && l.name != "event triggers" {
					t.Fatal("the native server lists nothing")
				}
				expected := regexp.MustCompile("^(?:" + l.differs + ")$")
				same := l.differs == ""
				report := func(sign string, lines, others []string) {
					n := 0
					for _, line := range lines {
						if _, found := slices.BinarySearch(others, line); found || !same && expected.MatchString(line) {
							continue
						}
						if n++; n <= 40 {
							t.Errorf("%s %s", sign, line)
						}
					}
					if n > 40 {
						t.Errorf("%s and %d more", sign, n-40)
					}
				}
				report("-", want[i], got[i])
				report("+", got[i], want[i])
			})
		}
	}
}

// lists gives every listing's lines, sorted.
func lists(t *testing.T, c *conn) [][]string {
	t.Helper()
	defer c.close()
	if _, err := c.start(nil); err != nil {
		t.Fatal(err)
	}
	out := make([][]string, len(listings))
	for i, l := range listings {
		rows, err := c.rows(l.sql)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			out[i] = append(out[i], strings.Join(row, "\t"))
		}
		slices.Sort(out[i])
	}
	return out
}
