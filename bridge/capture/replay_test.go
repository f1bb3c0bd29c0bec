package capture_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/bridge/change"
)

// replayed is a database of a native server that is made of sets alone: rows by
// their SQL form, and tables by what DDL says of their shape.
type replayed struct {
	conn   *pgx.Conn
	shapes map[uint32]*change.Table
	sql    []byte
	rows   int
	sets   int
}

func newReplayed(conn *pgx.Conn) *replayed {
	return &replayed{conn: conn, shapes: map[uint32]*change.Table{}}
}

// apply does what a set says. Parts of a transaction are one here, too.
func (r *replayed) apply(ctx context.Context, s *change.Set) error {
	if s.Part == 0 {
		r.sql = append(r.sql[:0], "begin;\n"...)
	}
	r.sets++
	for k := 0; k < len(s.Changes); {
		c := &s.Changes[k]
		switch {
		case c.Kind == change.Message:
			k++
		case c.Kind == change.DDL:
			r.ddl(c)
			k++
		default:
			n := 1
			for k+n < len(s.Changes) && s.Changes[k+n].Kind != change.DDL && s.Changes[k+n].Kind != change.Message {
				n++
			}
			for i := range n {
				if err := r.known(s.Changes[k+i].Table); err != nil {
					return err
				}
			}
			r.sql = change.AppendSQL(r.sql, &change.Set{LSN: s.LSN, Changes: s.Changes[k : k+n]})
			r.rows += n
			k += n
		}
	}
	if s.More {
		return nil
	}
	r.sql = append(r.sql, "commit;\n"...)
	results, err := r.conn.PgConn().Exec(ctx, string(r.sql)).ReadAll()
	if err != nil {
		return fmt.Errorf("set at %v: %w\n%.3000s", s.LSN, err, r.sql)
	}
	for i, result := range results {
		if tag := result.CommandTag; (tag.Update() || tag.Delete()) && tag.RowsAffected() != 1 {
			return fmt.Errorf("set at %v: a change of one row is of %d, statement %d of\n%.5000s", s.LSN, tag.RowsAffected(), i+1, statements(r.sql)[i])
		}
	}
	return nil
}

// known refuses a shape that no DDL has told of.
func (r *replayed) known(t *change.Table) error {
	was := r.shapes[t.OID]
	if was == nil || was.Name != t.Name || was.Schema != t.Schema || was.Identity != t.Identity || !slices.EqualFunc(was.Columns, t.Columns, sameColumn) {
		return fmt.Errorf("rows of %s.%s come in a shape that no ddl has told of: %+v after %+v", t.Schema, t.Name, t, was)
	}
	return nil
}

func sameColumn(a, b change.Column) bool {
	return a.Name == b.Name && a.Number == b.Number && a.Key == b.Key && a.Stored == b.Stored && a.Typmod == b.Typmod && a.Type.OID == b.Type.OID
}

func nameOf(t *change.Table) string { return quoted(t.Schema) + "." + quoted(t.Name) }

func typeOf(c *change.Column) string { return quoted(c.Type.Schema) + "." + quoted(c.Type.Name) }

// ddl writes the statements that give a table its new shape.
func (r *replayed) ddl(c *change.Change) {
	do := func(format string, args ...any) { r.sql = fmt.Appendf(r.sql, format+";\n", args...) }
	t, was := c.Table, r.shapes[c.Table.OID]
	r.shapes[t.OID] = t
	switch c.Command {
	case change.Drop:
		do("drop table %s", nameOf(t))
		delete(r.shapes, t.OID)
		return
	case change.Create:
		columns := make([]string, len(t.Columns))
		for i := range t.Columns {
			columns[i] = quoted(t.Columns[i].Name) + " " + typeOf(&t.Columns[i])
		}
		do("create table %s (%s)", nameOf(t), strings.Join(columns, ", "))
		do("create index on %s (id)", nameOf(t))
		return
	}
	if was.Name != t.Name {
		do("alter table %s rename to %s", nameOf(was), quoted(t.Name))
	}
	at := func(columns []change.Column, number int16) int {
		return slices.IndexFunc(columns, func(c change.Column) bool { return c.Number == number })
	}
	for i := range was.Columns {
		before := &was.Columns[i]
		k := at(t.Columns, before.Number)
		if k < 0 {
			do("alter table %s drop %s", nameOf(t), quoted(before.Name))
			continue
		}
		now := &t.Columns[k]
		if before.Name != now.Name {
			do("alter table %s rename %s to %s", nameOf(t), quoted(before.Name), quoted(now.Name))
		}
		if before.Type.OID != now.Type.OID {
			do("alter table %s alter %s type %s", nameOf(t), quoted(now.Name), typeOf(now))
		}
	}
	for i := range t.Columns {
		if c := &t.Columns[i]; at(was.Columns, c.Number) < 0 {
			do("alter table %s add %s %s", nameOf(t), quoted(c.Name), typeOf(c))
		}
	}
}

// contents are all tables of a database with the checksums of their sorted rows.
func contents(t *testing.T, conn *pgx.Conn) (all []string) {
	t.Helper()
	ask := func(sql string) string {
		r, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return string(r[0].Rows[0][0])
	}
	exec(t, conn, asDecoded)
	names := ask("select coalesce(string_agg(relname, ' ' order by relname collate \"C\"), '') from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace")
	for _, name := range strings.Fields(names) {
		all = append(all, name+": "+ask(fmt.Sprintf(`select count(*) || ' ' || coalesce(md5(string_agg(r::text, '|' order by r::text collate "C")), '') from %s r`, quoted(name))))
	}
	return all
}

// statements cuts what AppendSQL has written, for people.
func statements(sql []byte) []string { return strings.SplitAfter(string(sql), ";\n") }
