package peers

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// table is loads by servers. Its second half says how many times as much the
// first server does as each of the others.
type table struct {
	servers []*server
	rows    []*row
	notes   []string
	footer  []string // lines, tab-separated
}

type row struct {
	load  load
	cells []cell // by server
}

// cell is a rate, or why there is none.
type cell struct {
	rate   float64 // transactions/s
	failed bool
	note   string
}

func newTable(servers []*server) *table { return &table{servers: servers} }

func (t *table) add(l load) *row {
	r := &row{load: l, cells: make([]cell, len(t.servers))}
	t.rows = append(t.rows, r)
	return r
}

// noted returns the letter of a note.
func (t *table) noted(note string) string {
	k := slices.Index(t.notes, note)
	if k < 0 {
		k = len(t.notes)
		t.notes = append(t.notes, note)
	}
	return " (" + strconv.Itoa(k+1) + ")"
}

func (t *table) text(c cell) string {
	text := "–"
	switch {
	case c.failed:
		text = "fails"
	case c.rate > 0:
		return strconv.FormatFloat(c.rate, 'f', 0, 64)
	}
	if c.note != "" {
		text += t.noted(c.note)
	}
	return text
}

func ratio(a, b cell) string {
	if a.rate == 0 || b.rate == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", a.rate/b.rate)
}

// scaling adds what each server does with the most clients, relative to the
// fewest.
func (t *table) scaling() {
	first, last := t.rows[0], t.rows[len(t.rows)-1]
	line := fmt.Sprintf("\t%d ÷ %d clients\t", last.load.clients, first.load.clients)
	for k := range t.servers {
		line += "\t" + ratio(last.cells[k], first.cells[k])
	}
	t.footer = append(t.footer, line)
}

// memory adds what the servers take now and took at their start.
func (t *table) memory() {
	idle, loaded := "memory\tidle\tMB", "\tloaded\tMB"
	for _, s := range t.servers {
		if s.idleMB == 0 {
			idle, loaded = idle+"\t–", loaded+"\t–"
			continue
		}
		idle += fmt.Sprintf("\t%.0f", s.idleMB)
		loaded += fmt.Sprintf("\t%.0f", treeMB(s.pid, "Pss"))
	}
	t.footer = append(t.footer, idle, loaded)
}

func (t *table) String() string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "\t\tclients\t")
	for _, s := range t.servers {
		fmt.Fprint(w, s.name, "\t")
	}
	for _, s := range t.servers[1:] {
		fmt.Fprint(w, "÷ ", s.name, "\t")
	}
	fmt.Fprintln(w)
	for _, r := range t.rows {
		fmt.Fprintf(w, "%s\t%s\t%d\t", r.load.script.name, r.load.mode, r.load.clients)
		for _, c := range r.cells {
			fmt.Fprint(w, t.text(c), "\t")
		}
		for _, c := range r.cells[1:] {
			fmt.Fprint(w, ratio(r.cells[0], c), "\t")
		}
		fmt.Fprintln(w)
	}
	for _, line := range t.footer {
		fmt.Fprintln(w, line+strings.Repeat("\t", len(t.servers)))
	}
	w.Flush()
	for k, note := range t.notes {
		fmt.Fprintf(&out, "(%d) %s\n", k+1, note)
	}
	return out.String()
}
