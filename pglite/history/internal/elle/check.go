package elle

import (
	"fmt"
	"strings"
)

// searches are the graphs in which cycles are looked for, and the kind of edge
// that a cycle has there and in none before.
var searches = []struct {
	shape shape
	kinds dep
	need  dep
}{
	{commits, ww, ww},
	{commits, ww | wr, wr},
	{commits, ww | wr | rw, rw},
	{statements, ww | wr | rt, rt},
	{statements, ww | wr | rt | rw, rw},
	{snapshots, ww | wr | rw, rw},
	{snapshots, ww | wr | rw | rt, rt},
}

// Check finds anomalies of every kind in a history: examples, not all there are.
// If there is any that a level forbids, the findings have one of these. The
// error is a history that can't be judged: appends of one element twice.
func Check(h []Txn) ([]Finding, error) {
	v, err := newVersions(h)
	if err != nil {
		return nil, err
	}
	v.check()
	edges := v.dependencies()
	for _, s := range searches {
		for _, cycle := range newGraph(len(h), edges, s.shape, s.kinds).cycles(s.need) {
			v.findings = append(v.findings, Finding{nameOf(cycle), v.explain(cycle)})
		}
	}
	return v.findings, nil
}

// explain writes a cycle down, an edge and the transaction that it leaves a line.
func (v *versions) explain(cycle []*edge) string {
	var b strings.Builder
	fmt.Fprintf(&b, "a cycle of %d", len(cycle))
	for _, e := range cycle {
		fmt.Fprintf(&b, "\n\tT%d %v\n\t  %v → T%d", e.from, v.h[e.from], e.kind, e.to)
		if e.kind != rt {
			fmt.Fprintf(&b, " by %d of key %d", e.element, e.key)
		}
	}
	return b.String()
}
