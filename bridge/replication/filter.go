package replication

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/value"
)

// filter is a row filter of publications: an expression over columns, which
// Postgres evaluates.
type filter struct {
	columns []column // those that it uses
	sql     string
}

// filters are those of the actions that have one. Rows pass if they pass that of any
// publication; one without a filter lets all pass (pgoutput_row_filter_init).
func filters(r *relation, level int, by []*publication) map[change.Kind]*filter {
	out := map[change.Kind]*filter{}
	for kind, publishes := range map[change.Kind]func(*publication) bool{
		change.Insert: func(p *publication) bool { return p.Insert },
		change.Update: func(p *publication) bool { return p.Update },
		change.Delete: func(p *publication) bool { return p.Delete },
	} {
		var expressions, uses []string
		all := false
		for _, pub := range by {
			if !publishes(pub) {
				continue
			}
			m := pub.member(level)
			if m == nil || m.Filter == "" {
				all = true
				break
			}
			if !slices.Contains(expressions, m.Filter) {
				expressions = append(expressions, m.Filter)
			}
			uses = append(uses, m.Uses...)
		}
		if !all && len(expressions) > 0 {
			out[kind] = newFilter(r, expressions, uses)
		}
	}
	return out
}

// newFilter writes the statement that evaluates a filter on many rows: $1, $2 … are
// the texts of the columns, an array each; it gives the numbers of the rows that
// pass, from 1 on.
func newFilter(r *relation, expressions, uses []string) *filter {
	f := &filter{}
	var arrays, raw, typed []string
	for k, c := range r.all {
		if !slices.Contains(uses, c.name) && (len(uses) > 0 || k > 0) { // one, to count by
			continue
		}
		f.columns = append(f.columns, c)
		n := len(f.columns)
		arrays = append(arrays, fmt.Sprintf("$%d::text[]", n))
		raw = append(raw, fmt.Sprintf("c%d", n))
		typed = append(typed, fmt.Sprintf("raw.c%d::%s as %s", n, typeName(c.typ), quoteName(c.name)))
	}
	f.sql = fmt.Sprintf(`select raw.n from unnest(%s) with ordinality as raw (%s, n)
cross join lateral (select %s offset 0) as r
where (%s)`, strings.Join(arrays, ", "), strings.Join(raw, ", "), strings.Join(typed, ", "), strings.Join(expressions, ") or ("))
	return f
}

func typeName(t *value.Type) string { return quoteName(t.Schema) + "." + quoteName(t.Name) }

func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// passing tells which of the rows pass.
func (f *filter) passing(ctx context.Context, db *sql.DB, rows [][]any) ([]bool, error) {
	args := make([]any, len(f.columns))
	for k, c := range f.columns {
		texts := make([]*string, len(rows))
		for n, row := range rows {
			switch v := row[c.source].(type) {
			case nil, value.Unchanged:
			default:
				text := string(value.AppendText(nil, c.typ, v))
				texts[n] = &text
			}
		}
		args[k] = texts
	}
	found, err := db.QueryContext(ctx, f.sql, args...)
	if err != nil {
		return nil, fmt.Errorf("evaluate a row filter: %w", err)
	}
	defer found.Close()
	pass := make([]bool, len(rows))
	for found.Next() {
		var n int
		if err := found.Scan(&n); err != nil {
			return nil, err
		}
		pass[n-1] = true
	}
	if err := found.Err(); err != nil {
		return nil, fmt.Errorf("evaluate a row filter: %w", err)
	}
	return pass, nil
}
