package bundle_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/value"
	"github.com/howdahdb/howdah/cmd/bundle"
)

// rich has tables and types of all kinds, some of them with a past.
var rich = []string{
	"create schema s2",
	`create type mood as enum ('sad', 'ok', 'it''s "fine"')`,
	"alter type mood add value 'new' before 'ok'",
	`create domain positive as int check (value > 0)`,
	`create domain few as text[] check (cardinality(value) < 9)`,
	`create type inner_pair as (a int, gone text, b mood)`,
	`alter type inner_pair drop attribute gone`,
	`create type pair as (x positive, "Y y" inner_pair[], z numeric(8, 3))`,
	`create type span as range (subtype = float8, multirange_type_name = spans)`,
	`create type moods as range (subtype = mood)`,
	"create extension hstore",
	"create extension citext",
	`create table "Plain" (id int primary key, "weird ""name" varchar(10), c char(3), n numeric(10, 2), t timestamptz(3))`,
	`create table included (a int not null, b int not null, c text, primary key (b) include (c))`,
	`create table by_index (a int, b int not null, c text)`,
	"create unique index by_index_b on by_index (b) include (a)",
	"alter table by_index replica identity using index by_index_b",
	"create table whole (a int, b text)",
	"alter table whole replica identity full",
	"create table nothing (a int primary key, b text)",
	"alter table nothing replica identity nothing",
	"create table keyless (a int)",
	"create table deferred (a int primary key deferrable, b int)",
	"create table generated (id int generated always as identity primary key, w int, s int generated always as (w * 2) stored, v int generated always as (w * 3) virtual)",
	"create table past (gone int, id int primary key, also_gone text, kept text)",
	"alter table past drop column gone, drop column also_gone, add column later int default 7, add column x box[]",
	"alter table past rename column kept to renamed",
	`create table s2.types (id int primary key, m mood, ms mood[], p positive, f few, pr pair, prs pair[], sp span, sps spans, mo moods,
		h hstore, ci citext, j jsonb, i4 int4range, mr int8multirange, b bit(4), v int2vector, pt point, iv interval day to second(2), nm name)`,
	"create table parted (k int, t text, primary key (k)) partition by range (k)",
	"create table parted_low partition of parted for values from (0) to (100)",
	"create table parted_high partition of parted for values from (100) to (200) partition by list (k)",
	"create table parted_100 partition of parted_high for values in (100)",
	"create table parent (a int)",
	"create table child (b text) inherits (parent)",
	"create unlogged table unlogged (a int)",
	"create table s2.empty ()",
	"create materialized view seen as select 1 as one",
	"create table typed of pair",
}

// TestShapes compares the shapes of tables that queries give with those that were
// followed through the log.
func TestShapes(t *testing.T) {
	db := open(t, bundle.Options{})
	conn := connect(t, db)
	s := subscribe(t, db, feed.SubscribeOptions{From: feed.Start})
	exec(t, conn, rich...)
	// What the stream says of a table's columns is as new as its last DDL; of their
	// types, as its last row. So each table gets another shape at the end.
	for _, oid := range tableOIDs(t, db) {
		exec(t, conn, fmt.Sprintf("do $$ begin execute 'alter table ' || %d::regclass || ' add column last_of_all int'; exception when others then execute 'alter table ' || %[1]d::regclass || ' rename to last_of_all_%[1]d'; end $$", oid))
	}
	streamed := map[uint32]*change.Table{}
	until(t, s, settled(t, db), func(set *change.Set) error {
		for _, c := range set.Changes {
			if c.Kind == change.DDL && c.Command != change.Drop {
				streamed[c.Table.OID] = c.Table
			}
		}
		return nil
	})
	tables := shapes(t, db)
	if len(tables) < 15 {
		t.Errorf("%d tables", len(tables))
	}
	for _, want := range tables {
		got := streamed[want.OID]
		if got == nil {
			t.Errorf("%s is not in the stream", describeTable(want))
			continue
		}
		if g, w := describeTable(got), describeTable(want); g != w {
			t.Errorf("in the stream:\n%s\nby queries:\n%s", g, w)
		}
	}
}

func shapes(t *testing.T, db *bundle.Database) []*change.Table {
	t.Helper()
	snap, err := db.Tables().Snapshot(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	tables, err := snap.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

func tableOIDs(t *testing.T, db *bundle.Database) (oids []uint32) {
	t.Helper()
	for _, table := range shapes(t, db) {
		oids = append(oids, table.OID)
	}
	return oids
}

func describeTable(t *change.Table) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s.%s identity %c\n", t.OID, t.Schema, t.Name, t.Identity)
	for _, c := range t.Columns {
		fmt.Fprintf(&b, "  %d %q typmod %d key %v stored %v ", c.Number, c.Name, c.Typmod, c.Key, c.Stored)
		describeType(&b, c.Type)
		b.WriteString("\n")
	}
	return b.String()
}

// describeType leaves out what arrays of a type are written with: the catalogs
// followed know the one of Postgres' own that has another.
func describeType(b *strings.Builder, t *value.Type) {
	if t == nil {
		b.WriteString("none")
		return
	}
	fmt.Fprintf(b, "%d %s.%s kind %d length %d align %c by value %v output %d", t.OID, t.Schema, t.Name, t.Kind, t.Length, t.Align, t.ByVal, t.Output)
	if t.Labels != nil {
		fmt.Fprintf(b, " labels %v", t.Labels)
	}
	if t.Elem != nil {
		b.WriteString(" of (")
		describeType(b, t.Elem)
		b.WriteString(")")
	}
	for _, f := range t.Fields {
		fmt.Fprintf(b, " field %q typmod %d dropped %v length %d align %c (", f.Name, f.Typmod, f.Dropped, f.Length, f.Align)
		describeType(b, f.Type)
		b.WriteString(")")
	}
}
