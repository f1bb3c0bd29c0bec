package linear

import (
	"bytes"
	"os"
	"slices"
)

// mapping is a part of a Memory that is pages of a file: a segment's, which
// others see, or an image's, of which a store makes a copy.
type mapping struct {
	span
	file  *os.File
	off   uint64 // in the file, of from
	image bool
}

// forget notes that nothing is mapped in r any more.
func (m *Memory) forget(r span) {
	var kept []mapping
	for _, x := range m.mapped {
		if x.from < r.from {
			k := x
			k.to = min(x.to, r.from)
			kept = append(kept, k)
		}
		if x.to > r.to {
			k := x
			k.from = max(x.from, r.to)
			k.off += k.from - x.from
			kept = append(kept, k)
		}
	}
	m.mapped = kept
}

// parts cuts r where mappings begin and end; those of the Memory's own pages
// have no file.
func (m *Memory) parts(r span) (parts []mapping) {
	slices.SortFunc(m.mapped, func(a, b mapping) int { return int(int64(a.from) - int64(b.from)) })
	for _, x := range m.mapped {
		if x.to <= r.from || x.from >= r.to {
			continue
		}
		if x.from > r.from {
			parts = append(parts, mapping{span: span{r.from, x.from}})
			r.from = x.from
		}
		x.off += r.from - x.from
		x.from, x.to = r.from, min(x.to, r.to)
		parts = append(parts, x)
		r.from = x.to
	}
	if r.from < r.to {
		parts = append(parts, mapping{span: r})
	}
	return parts
}

// private gives the parts of r that are the Memory's own pages, in order.
func (m *Memory) private(r span) (own []span) {
	for _, p := range m.parts(r) {
		if p.file == nil {
			own = append(own, p.span)
		}
	}
	return own
}

// held gives the pages of r that are not zero, neighbours together. It does not
// bring in those that nobody has touched, where the system tells which these
// are.
func (m *Memory) held(r span) (all []span) {
	size := uint64(os.Getpagesize())
	zeros := make([]byte, size)
	for _, p := range m.parts(r) {
		touched := func(int) bool { return true }
		switch {
		case p.file == nil:
			touched = touchedPages(m.bytes(p.span))
		case !p.image:
			touched = dataPages(p.file, p.off, p.to-p.from)
		}
		for at := p.from; at < p.to; at += size {
			page := span{at, min(at+size, p.to)}
			if !touched(int((at-p.from)/size)) || bytes.Equal(m.bytes(page), zeros) {
				continue
			}
			if n := len(all); n > 0 && all[n-1].to == page.from {
				all[n-1].to = page.to
			} else {
				all = append(all, page)
			}
		}
	}
	return all
}
