package pglite_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/howdahdb/howdah/pglite"
)

// TestRowTypesAreKept: a prepared statement whose row type has changed since
// fails, whether or not the client's backend is the one that prepared it.
func TestRowTypesAreKept(t *testing.T) {
	for name, change := range map[string]func(*pglite.Options){"shared backend": shortQueue, "own backends": manyBackends} {
		t.Run(name, func(t *testing.T) {
			c := openCluster(t, change)
			a, b := rawConnect(t, c), rawConnect(t, c)
			execute := func(client *rawConn, want string) {
				t.Helper()
				client.send(bind("s"), &pgproto3.Execute{}, &pgproto3.Sync{})
				client.expect('Z', want)
			}
			run := func(client *rawConn, sql ...string) {
				t.Helper()
				for _, sql := range sql {
					client.send(query(sql))
					client.expect('Z', "CZI")
				}
			}
			const table, row = "create table t(a int, b varchar(10))", "insert into t values (1, 'x')"
			run(a, table, row)
			const sql = "select * from t"
			a.send(parse("s", sql), parse("none", "set application_name = 'x'"), &pgproto3.Sync{})
			a.expect('Z', "11ZI")
			execute(a, "2D(1,x)CZI")
			for _, ddl := range []struct {
				name  string
				there []string
				back  string
				same  bool
			}{
				{"another column", []string{"alter table t add c int"}, "alter table t drop c", false},
				{"another name", []string{"alter table t rename a to z"}, "alter table t rename z to a", false},
				{"another type", []string{"alter table t alter a type int8"}, "alter table t alter a type int4", false},
				{"another length", []string{"alter table t alter b type varchar(9)"}, "alter table t alter b type varchar(10)", false},
				{"another table", []string{"drop table t", table, row}, "", true},
			} {
				t.Run(ddl.name, func(t *testing.T) {
					// Another statement of b's under the name makes a's be prepared
					// again where both share a backend.
					b.send(parse("s", "select 2"), &pgproto3.Sync{})
					b.expect('Z', "1ZI")
					run(b, ddl.there...)
					want := "E(0A000)ZI"
					if ddl.same {
						want = "2D(1,x)CZI"
					}
					execute(a, want)
					a.send(query("execute s"))
					if ddl.same {
						a.expect('Z', "TD(1,x)CZI")
					} else {
						a.expect('Z', "E(0A000)ZI")
					}
					a.send(&pgproto3.Describe{ObjectType: 'S', Name: "s"}, &pgproto3.Sync{})
					if ddl.same {
						a.expect('Z', "tTZI")
					} else {
						a.expect('Z', "tE(0A000)ZI")
					}
					execute(b, "2D(2)CZI")
					// The same text, prepared since, gives what is there now.
					b.send(&pgproto3.Close{ObjectType: 'S', Name: "s"}, parse("s", sql), &pgproto3.Sync{})
					b.expect('Z', "31ZI")
					b.send(bind("s"), &pgproto3.Sync{})
					b.expect('Z', "2ZI")
					execute(a, want)
					b.send(&pgproto3.Close{ObjectType: 'S', Name: "s"}, &pgproto3.Sync{})
					b.expect('Z', "3ZI")
					if ddl.back != "" {
						run(b, ddl.back)
						execute(a, "2D(1,x)CZI")
					}
				})
			}
			a.send(bind("none"), &pgproto3.Execute{}, &pgproto3.Sync{})
			a.expect('Z', "2CSZI")
		})
	}
}

// TestRowTypeComesBack: a statement that was prepared once more while its row
// type was another gives what it should when that is the old one again.
func TestRowTypeComesBack(t *testing.T) {
	c := openCluster(t, shortQueue)
	a, b := rawConnect(t, c), rawConnect(t, c)
	run := func(client *rawConn, sql, want string) {
		t.Helper()
		client.send(query(sql))
		client.expect('Z', want)
	}
	run(a, "create table t(a int, b varchar(10), c float8)", "CZI")
	run(a, "insert into t values (1, 'x', 1.5)", "CZI")
	a.send(parse("s", "select * from t"), &pgproto3.Sync{})
	a.expect('Z', "1ZI")
	b.send(parse("s", "select 2"), &pgproto3.Sync{})
	b.expect('Z', "1ZI")
	run(b, "alter table t add d int", "CZI")
	run(a, "execute s", "E(0A000)ZI")
	run(b, "alter table t drop d", "CZI")
	run(a, "execute s", "TD(1,x,1.5)CZI")
	a.send(bind("s"), &pgproto3.Execute{}, &pgproto3.Sync{})
	a.expect('Z', "2D(1,x,1.5)CZI")
}
