package feed

import (
	"fmt"
	"slices"
	"strings"

	"github.com/howdahdb/howdah/bridge/change"
)

// Filter says which changes of a database a subscriber gets; the zero Filter, all.
type Filter struct {
	// Tables are patterns, "schema.table", of which a table must match one; none is
	// all. In both parts * stands for any characters and ? for one, unless they are
	// in double quotes; quotes are needed around a dot. A pattern without a dot
	// matches a table of any schema.
	Tables []string
	// Kinds are what may be done to them; none is all. Messages are of no table: they
	// come whatever Tables are, if their kind does.
	Kinds []change.Kind
	// Columns are those that are kept of the tables that match a pattern. It is not
	// asked whether the replica identity is among them. A table that no pattern
	// matches keeps all.
	Columns map[string][]string
	// Where tells which rows to keep: of Insert, Update and Delete, before columns
	// are left out. It is called by Next, and must not keep or change what it gets.
	Where func(*change.Change) bool

	tables  []pattern
	columns []columnList
}

type columnList struct {
	pattern
	names []string
}

// pattern matches tables by schema and name.
type pattern struct{ schema, name []token }

// token is a part of a pattern: a text, or a wildcard.
type token struct {
	text string
	wild byte // '*', '?' or 0
}

func (f *Filter) compile() error {
	f.tables, f.columns = nil, nil
	for _, text := range f.Tables {
		p, err := parsePattern(text)
		if err != nil {
			return err
		}
		f.tables = append(f.tables, p)
	}
	for text, names := range f.Columns {
		p, err := parsePattern(text)
		if err != nil {
			return err
		}
		f.columns = append(f.columns, columnList{p, names})
	}
	return nil
}

// parsePattern cuts a pattern at its dot. A doubled quote within quotes is one.
func parsePattern(text string) (pattern, error) {
	parts := [][]token{nil}
	quoted := false
	for k := 0; k < len(text); k++ {
		last := &parts[len(parts)-1]
		switch c := text[k]; {
		case c == '"' && quoted && k+1 < len(text) && text[k+1] == '"':
			*last = append(*last, token{text: `"`})
			k++
		case c == '"':
			quoted = !quoted
		case !quoted && c == '.':
			parts = append(parts, nil)
		case !quoted && (c == '*' || c == '?'):
			*last = append(*last, token{wild: c})
		default:
			*last = append(*last, token{text: text[k : k+1]})
		}
	}
	switch {
	case quoted || len(parts) > 2 || slices.ContainsFunc(parts, func(p []token) bool { return p == nil }):
		return pattern{}, fmt.Errorf("%w: %q", ErrPattern, text)
	case len(parts) == 1:
		return pattern{[]token{{wild: '*'}}, parts[0]}, nil
	}
	return pattern{parts[0], parts[1]}, nil
}

func (p pattern) matches(t *change.Table) bool {
	return glob(p.schema, t.Schema) && glob(p.name, t.Name)
}

// glob takes time in the product of the lengths at most: at a second * the first
// one need not be tried again.
func glob(p []token, s string) bool {
	star, mark := -1, ""
	k := 0
	for {
		switch {
		case k < len(p) && p[k].wild == '*':
			star, mark = k, s
			k++
		case k < len(p) && p[k].wild == '?' && s != "":
			_, s = cutRune(s)
			k++
		case k < len(p) && p[k].wild == 0 && strings.HasPrefix(s, p[k].text):
			s = s[len(p[k].text):]
			k++
		case k == len(p) && s == "":
			return true
		case star >= 0 && mark != "":
			_, mark = cutRune(mark)
			k, s = star+1, mark
		default:
			return false
		}
	}
}

func cutRune(s string) (first, rest string) {
	for k := range s {
		if k > 0 {
			return s[:k], s[k:]
		}
	}
	return s, ""
}

// keeps tells whether a change passes.
func (f *Filter) keeps(c *change.Change) bool {
	if len(f.Kinds) > 0 && !slices.Contains(f.Kinds, c.Kind) {
		return false
	}
	if c.Table == nil {
		return true
	}
	if len(f.tables) > 0 && !f.wants(c.Table) {
		return false
	}
	switch c.Kind {
	case change.Insert, change.Update, change.Delete:
		return f.Where == nil || f.Where(c)
	}
	return true
}

func (f *Filter) wants(t *change.Table) bool {
	return len(f.tables) == 0 || slices.ContainsFunc(f.tables, func(p pattern) bool { return p.matches(t) })
}

// filtered gives the set with what passes, itself if that is all.
func (s *Subscription) filtered(set *change.Set) *change.Set {
	if set.Database != s.o.Database || s.sees(set) {
		return &change.Set{Database: s.o.Database, Commit: set.Commit, LSN: set.LSN, Part: s.parts, More: set.More}
	}
	f := &s.o.Filter
	if len(f.Kinds) == 0 && len(f.tables) == 0 && len(f.columns) == 0 && f.Where == nil {
		return set
	}
	out := *set
	out.Part = s.parts
	out.Changes = make([]change.Change, 0, len(set.Changes))
	for k := range set.Changes {
		if c := &set.Changes[k]; f.keeps(c) {
			out.Changes = append(out.Changes, s.project.apply(f, c))
		}
	}
	return &out
}

// projections are the shapes that are left of tables by their column lists.
type projections map[*change.Table]*projection

type projection struct {
	table *change.Table
	keep  []int // indexes in the whole table's columns
}

// maxProjections bounds how many shapes are remembered: a table gets a new one by
// DDL, and by every decoder.
const maxProjections = 1024

func (p *projections) apply(f *Filter, c *change.Change) change.Change {
	if c.Table == nil || len(f.columns) == 0 {
		return *c
	}
	pr, ok := (*p)[c.Table]
	if !ok {
		if len(*p) >= maxProjections || *p == nil {
			*p = projections{}
		}
		pr = f.projection(c.Table)
		(*p)[c.Table] = pr
	}
	if pr == nil {
		return *c
	}
	out := *c
	out.Table = pr.table
	out.New, out.Old = pr.row(c.New), pr.row(c.Old)
	if c.Changed != nil {
		out.Changed = []int{}
		for k, whole := range pr.keep {
			if slices.Contains(c.Changed, whole) {
				out.Changed = append(out.Changed, k)
			}
		}
	}
	return out
}

// projection is nil for a table that keeps all columns.
func (f *Filter) projection(t *change.Table) *projection {
	var names []string
	listed := false
	for _, l := range f.columns {
		if l.matches(t) {
			names, listed = append(names, l.names...), true
		}
	}
	if !listed {
		return nil
	}
	table := *t
	table.Columns = nil
	p := &projection{table: &table}
	for k := range t.Columns {
		if slices.Contains(names, t.Columns[k].Name) {
			p.keep = append(p.keep, k)
			table.Columns = append(table.Columns, t.Columns[k])
		}
	}
	return p
}

func (p *projection) row(values []any) []any {
	if values == nil {
		return nil
	}
	out := make([]any, len(p.keep))
	for k, whole := range p.keep {
		out[k] = values[whole]
	}
	return out
}
