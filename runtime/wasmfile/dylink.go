package wasmfile

import (
	"maps"
	"slices"
)

// Subsections of "dylink.0" and the flags of a symbol that say weak.
// https://github.com/WebAssembly/tool-conventions/blob/main/DynamicLinking.md
const (
	dylinkMemInfo    = 1
	dylinkNeeded     = 2
	dylinkImportInfo = 4

	symBindingMask = 3
	symBindingWeak = 1
)

// dylink reads the content of "dylink.0". Subsections it does not know are
// skipped, as the convention asks.
func (r *reader) dylink() *Dylink {
	d := &Dylink{Weak: map[string]bool{}}
	for !r.done() {
		id := r.byte()
		size := r.u32()
		sub := &reader{base: r.base + r.pos, section: "dylink.0"}
		sub.b = r.take(size)
		switch id {
		case dylinkMemInfo:
			d.MemSize, d.MemAlign = sub.u32(), sub.u32()
			d.TableSize, d.TableAlign = sub.u32(), sub.u32()
			if d.MemAlign > 31 || d.TableAlign > 31 {
				sub.failf("alignment is no exponent")
			}
		case dylinkNeeded:
			for n := sub.count(1); n > 0; n-- {
				d.Needed = append(d.Needed, sub.name())
			}
		case dylinkImportInfo:
			for n := sub.count(3); n > 0; n-- {
				sub.name()
				name := sub.name()
				if sub.u32()&symBindingMask == symBindingWeak {
					d.Weak[name] = true
				}
			}
		default:
			sub.pos = len(sub.b)
		}
		if err := sub.end(); err != nil && r.err == nil {
			r.err = err
			r.pos = len(r.b)
		}
	}
	return d
}

// appendTo writes the subsections. Weak names are given the module "env".
func (d *Dylink) appendTo(b []byte) []byte {
	var info []byte
	for _, x := range []uint32{d.MemSize, d.MemAlign, d.TableSize, d.TableAlign} {
		info = appendU32(info, x)
	}
	b = appendSized(append(b, dylinkMemInfo), info)
	if len(d.Needed) > 0 {
		needed := appendU32(nil, uint32(len(d.Needed)))
		for _, name := range d.Needed {
			needed = appendName(needed, name)
		}
		b = appendSized(append(b, dylinkNeeded), needed)
	}
	if len(d.Weak) > 0 {
		weak := appendU32(nil, uint32(len(d.Weak)))
		for _, name := range slices.Sorted(maps.Keys(d.Weak)) {
			weak = append(appendName(appendName(weak, "env"), name), symBindingWeak)
		}
		b = appendSized(append(b, dylinkImportInfo), weak)
	}
	return b
}
