package peers

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// table is loads by servers, once for transactions a second and once for the
// CPU time that the server takes for one, which depends less on what else the
// machine does. The second half of the columns says how many times as much the
// first server has as each of the others.
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
	result
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

func (t *table) text(c cell, value float64) string {
	text := "–"
	switch {
	case c.failed:
		text = "fails"
	case value > 0:
		return strconv.FormatFloat(value, 'f', 0, 64)
	}
	if c.note != "" {
		text += t.noted(c.note)
	}
	return text
}

func ratio(a, b float64) string {
	if a == 0 || b == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", a/b)
}

// scaling adds what each server does with the most clients, relative to the
// fewest.
func (t *table) scaling() {
	first, last := t.rows[0], t.rows[len(t.rows)-1]
	if first == last {
		return
	}
	line := fmt.Sprintf("\t%d ÷ %d clients\t", last.load.clients, first.load.clients)
	for k := range t.servers {
		line += "\t" + ratio(last.cells[k].rate, first.cells[k].rate)
	}
	t.footer = append(t.footer, line)
}

// memory adds what the servers took at their start and at most between loads.
func (t *table) memory() {
	idle, loaded := "memory\tidle\tMB", "\tloaded\tMB"
	for _, s := range t.servers {
		if s.idleMB == 0 {
			idle, loaded = idle+"\t–", loaded+"\t–"
			continue
		}
		idle += fmt.Sprintf("\t%.0f", s.idleMB)
		loaded += fmt.Sprintf("\t%.0f", s.loadedMB)
	}
	t.footer = append(t.footer, idle, loaded)
}

// The values of a table.
func rate(r result) float64 { return r.rate }
func cpu(r result) float64  { return r.cpu }

// write writes one value of every cell, and its ratios.
func (t *table) write(w io.Writer, title string, value func(result) float64) {
	fmt.Fprint(w, title, "\t\tclients\t")
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
			fmt.Fprint(w, t.text(c, value(c.result)), "\t")
		}
		for _, c := range r.cells[1:] {
			fmt.Fprint(w, ratio(value(r.cells[0].result), value(c.result)), "\t")
		}
		fmt.Fprintln(w)
	}
}

func (t *table) String() string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	t.write(w, "transactions/s", rate)
	for _, line := range t.footer {
		fmt.Fprintln(w, line+strings.Repeat("\t", len(t.servers)))
	}
	t.write(w, "server's CPU µs", cpu)
	w.Flush()
	for k, note := range t.notes {
		fmt.Fprintf(&out, "(%d) %s\n", k+1, note)
	}
	return out.String()
}
