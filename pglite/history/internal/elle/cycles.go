package elle

import "slices"

// components numbers the strongly connected components of a graph, as Tarjan
// does.
func (g *graph) components() []int {
	const unseen = -1
	var (
		comp  = make([]int, len(g.arcs))
		index = make([]int, len(g.arcs))
		low   = make([]int, len(g.arcs))
		on    = make([]bool, len(g.arcs))
		stack []int
		next  int
		count int
	)
	for n := range index {
		index[n] = unseen
	}
	var visit func(n int)
	visit = func(n int) {
		index[n], low[n] = next, next
		next++
		stack, on[n] = append(stack, n), true
		for _, a := range g.arcs[n] {
			if index[a.to] == unseen {
				visit(a.to)
				low[n] = min(low[n], low[a.to])
			} else if on[a.to] {
				low[n] = min(low[n], index[a.to])
			}
		}
		if low[n] != index[n] {
			return
		}
		for {
			m := stack[len(stack)-1]
			stack, on[m] = stack[:len(stack)-1], false
			comp[m] = count
			if m == n {
				break
			}
		}
		count++
	}
	for n := range g.arcs {
		if index[n] == unseen {
			visit(n)
		}
	}
	return comp
}

// maxTries bounds how many arcs of a component a cycle is searched through.
const maxTries = 100

// cycles gives, for each strongly connected component, cycles of different names
// that have an edge of the kind, each as short as there is through that edge.
func (g *graph) cycles(kind dep) [][]*edge {
	comp := g.components()
	var out [][]*edge
	tries, named := map[int]int{}, map[int][]Anomaly{}
	for from, arcs := range g.arcs {
		c := comp[from]
		for _, a := range arcs {
			if a.e == nil || a.e.kind != kind || comp[a.to] != c || tries[c] == maxTries {
				continue
			}
			tries[c]++
			cycle := append([]*edge{a.e}, g.path(a.to, from, comp)...)
			if name := nameOf(cycle); !slices.Contains(named[c], name) {
				named[c] = append(named[c], name)
				out = append(out, cycle)
			}
		}
	}
	return out
}

// path is a shortest way between two nodes of a component.
func (g *graph) path(from, to int, comp []int) []*edge {
	type step struct {
		before int
		e      *edge
	}
	came := map[int]step{from: {before: -1}}
	for queue := []int{from}; len(queue) > 0; queue = queue[1:] {
		n := queue[0]
		if n == to {
			break
		}
		for _, a := range g.arcs[n] {
			if _, ok := came[a.to]; !ok && comp[a.to] == comp[from] {
				came[a.to] = step{n, a.e}
				queue = append(queue, a.to)
			}
		}
	}
	var out []*edge
	for n := to; n != from; n = came[n].before {
		if e := came[n].e; e != nil {
			out = append(out, e)
		}
	}
	slices.Reverse(out)
	return out
}

// nameOf names a cycle by its edges.
func nameOf(cycle []*edge) Anomaly {
	var kinds dep
	rws, adjacent, behindRT := 0, false, true
	for n, e := range cycle {
		kinds |= e.kind
		if e.kind != rw {
			continue
		}
		rws++
		before := cycle[(n+len(cycle)-1)%len(cycle)]
		adjacent = adjacent || before.kind == rw
		behindRT = behindRT && before.kind == rt
	}
	var a Anomaly
	switch {
	case rws > 0 && behindRT:
		return StaleRead
	case adjacent:
		return G2Item
	case rws > 1:
		a = GNonadjacent
	case rws == 1:
		a = GSingle
	case kinds&wr != 0:
		a = G1c
	default:
		a = G0
	}
	if kinds&rt != 0 {
		a += realtime
	}
	return a
}
