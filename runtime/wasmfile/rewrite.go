package wasmfile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Rewrite is a set of changes to a module. The zero value changes nothing.
// Indices of functions, types, tables, globals and memories never shift, so
// what is known about a module by index stays true.
type Rewrite struct {
	// OwnMemory turns an imported memory into one that the module defines,
	// with the same limits, and exports it as "memory" if it is not.
	OwnMemory bool
	// ImportModule renames modules that are imported from.
	ImportModule map[string]string
	// Interpose takes over functions.
	Interpose []Interposition
	// Patches are applied to the code in order, before anything else changes
	// it.
	Patches []Patch
	// Calls are put into the code in order, after the patches.
	Calls []Call
	// SealGOT makes the globals imported from "GOT.mem" and "GOT.func"
	// constant. Linkers declare them mutable, though no code sets them, and
	// wazero reloads every mutable global after every call.
	SealGOT bool
	// IntegerSelect turns every select of floats and vectors into one of
	// integers with the same bits. The compiler of wazero 1.12 for amd64
	// forgets, under pressure, what such a select chooses when its condition
	// is 0 (https://github.com/wazero/wazero/issues/2534). This can go with
	// the first release that contains pull request 2535;
	// TestFloatSelectOfWazero fails then.
	IntegerSelect bool
}

// Mode says what an interposed function does.
type Mode byte

const (
	// Replace lets the slot's function, of the same signature, stand for the
	// old one.
	Replace Mode = iota
	// Before calls the slot's function, of the same parameters and without
	// result, and then the old one.
	Before
	// Override calls the slot's function, of the same signature with one i32
	// result, and returns what it gives unless that is 0: then the old
	// function is called.
	Override
)

func (m Mode) String() string {
	switch m {
	case Replace:
		return "replace"
	case Before:
		return "before"
	case Override:
		return "override"
	}
	return fmt.Sprintf("mode %d", byte(m))
}

// Interposition makes every call of a function, from the inside too, go to an
// entry of the function table. For Before and Override the old body becomes a
// new function behind all others.
type Interposition struct {
	Export string // the function, by the name of its export, or
	Func   uint32 // when Export is "", by its place among the defined functions
	Sig    *Sig   // checked when not nil
	Slot   uint32 // entry of table 0
	Mode   Mode
	// Countdown, with Before and a function without parameters and results, lets
	// most calls return at once.
	Countdown *Countdown
}

// Countdown is an i32 in memory that makes a function cheap to call: a call that
// finds it above 1 takes 1 away and returns. Another does what is to be done, and
// sets it to Start if it has become 0 by then.
type Countdown struct{ Addr, Start uint32 }

func (ip Interposition) String() string {
	if ip.Export != "" {
		return fmt.Sprintf("function %q", ip.Export)
	}
	return fmt.Sprintf("defined function %d", ip.Func)
}

// Patch replaces every occurrence of Old in the code section by New, which is
// as long. Occurrences do not overlap. That they are Count guards against
// another build of the program.
type Patch struct {
	Name     string // for errors
	Old, New []byte
	Count    int
}

// Apply gives a changed copy of a module. Names and other custom sections are
// kept, debugging information is dropped when bodies change, since it counts
// in offsets of the code section.
func (r Rewrite) Apply(b []byte) ([]byte, error) {
	m, err := Parse(b)
	if err != nil {
		return nil, err
	}
	secs, err := splitSections(b)
	if err != nil {
		return nil, err
	}
	e := editor{m: m, secs: secs, defined: m.NumFuncs() - m.NumImports(KindFunc)}
	if r.SealGOT {
		e.sealGOT()
	}
	if len(r.ImportModule) > 0 {
		e.renameImports(r.ImportModule)
	}
	if err := e.patch(r.Patches); err != nil {
		return nil, err
	}
	if err := e.calls(r.Calls); err != nil {
		return nil, err
	}
	if r.IntegerSelect {
		if err := e.integerSelect(); err != nil {
			return nil, err
		}
	}
	e.addCallers()
	if r.OwnMemory {
		if err := e.ownMemory(); err != nil {
			return nil, err
		}
	}
	if err := e.interpose(r.Interpose); err != nil {
		return nil, err
	}
	e.joinBodies()
	out := make([]byte, 0, len(b)+len(b)/64)
	out = append(out, header...)
	for _, s := range e.secs {
		if s.id == secCustom && e.newBodies != nil && strings.HasPrefix(s.reader().name(), ".debug_") {
			continue
		}
		out = appendSection(out, s.id, s.content)
	}
	return out, nil
}

// editor holds a module while it changes. It parsed without error, so its
// sections are read again without asking for errors.
type editor struct {
	m         *Module
	secs      []section
	defined   uint32   // functions that the module came with
	callers   [][]byte // bodies of those that calls made
	newBodies [][]byte // of setBodies, nil when code stays where it is
}

// content gives a section's bytes, nil when there is none.
func (e *editor) content(id sectionID) []byte {
	for _, s := range e.secs {
		if s.id == id {
			return s.content
		}
	}
	return nil
}

// set replaces a section or puts a new one where the order wants it.
func (e *editor) set(id sectionID, content []byte) {
	at := len(e.secs)
	for i, s := range e.secs {
		if s.id == id {
			e.secs[i].content = content
			return
		}
		if s.id != secCustom && s.id.rank() > id.rank() {
			at = i
			break
		}
	}
	e.secs = slices.Insert(e.secs, at, section{id: id, content: content})
}

// appendTo adds entries to the list that is all of a section and gives its
// former length.
func (e *editor) appendTo(id sectionID, entries ...[]byte) uint32 {
	r := &reader{b: e.content(id)}
	var n uint32
	if !r.done() {
		n = r.u32()
	}
	content := appendU32(nil, n+uint32(len(entries)))
	content = append(content, r.b[r.pos:]...)
	for _, entry := range entries {
		content = append(content, entry...)
	}
	e.set(id, content)
	return n
}

// eachImport calls f with the kind and the bytes of every import; desc is
// where in them the description behind the kind begins.
func (e *editor) eachImport(f func(i int, entry []byte, desc int)) {
	r := &reader{b: e.content(secImport)}
	if r.done() {
		return
	}
	n := int(r.u32())
	for i := range n {
		start := r.pos
		r.name()
		r.name()
		kind := Kind(r.byte())
		desc := r.pos - start
		switch kind {
		case KindFunc:
			r.u32()
		case KindTable:
			r.byte()
			r.limits()
		case KindMemory:
			r.limits()
		case KindGlobal:
			r.take(2)
		case KindTag:
			r.byte()
			r.u32()
		}
		f(i, r.b[start:r.pos], desc)
	}
}

func (e *editor) sealGOT() {
	var out []byte
	e.eachImport(func(i int, entry []byte, desc int) {
		im := e.m.Imports[i]
		out = append(out, entry...)
		if im.Kind == KindGlobal && (im.Module == "GOT.mem" || im.Module == "GOT.func") {
			out[len(out)-1] = 0 // the mutability ends a global's description
		}
	})
	if out != nil {
		e.set(secImport, append(appendU32(nil, uint32(len(e.m.Imports))), out...))
	}
}

func (e *editor) renameImports(to map[string]string) {
	out := appendU32(nil, uint32(len(e.m.Imports)))
	e.eachImport(func(i int, entry []byte, _ int) {
		module := e.m.Imports[i].Module
		if name, ok := to[module]; ok {
			out = appendName(out, name)
			entry = entry[len(appendName(nil, module)):]
		}
		out = append(out, entry...)
	})
	if len(e.m.Imports) > 0 {
		e.set(secImport, out)
	}
}

func (e *editor) patch(patches []Patch) error {
	if len(patches) == 0 {
		return nil
	}
	code := bytes.Clone(e.content(secCode))
	for _, p := range patches {
		if len(p.Old) == 0 || len(p.Old) != len(p.New) {
			return fmt.Errorf("wasm: patch %q: %d bytes for %d", p.Name, len(p.New), len(p.Old))
		}
		if n := bytes.Count(code, p.Old); n != p.Count {
			return fmt.Errorf("wasm: patch %q: found %d times, expected %d", p.Name, n, p.Count)
		}
		for at := 0; ; at += len(p.Old) {
			i := bytes.Index(code[at:], p.Old)
			if i < 0 {
				break
			}
			at += i
			copy(code[at:], p.New)
		}
	}
	if code != nil {
		e.set(secCode, code)
	}
	return nil
}

func (e *editor) ownMemory() error {
	if len(e.m.Memories) == 0 {
		return fmt.Errorf("wasm: module has no memory to own")
	}
	if e.m.numImports[KindMemory] > 0 {
		var out []byte
		e.eachImport(func(i int, entry []byte, _ int) {
			if e.m.Imports[i].Kind != KindMemory {
				out = append(out, entry...)
			}
		})
		e.set(secImport, append(appendU32(nil, uint32(len(e.m.Imports)-1)), out...))
		e.set(secMemory, appendLimits([]byte{1}, e.m.Memories[0]))
	}
	switch have, ok := e.m.Exports["memory"]; {
	case !ok:
		e.appendTo(secExport, append(appendName(nil, "memory"), byte(KindMemory), 0))
	case have.Kind != KindMemory:
		return fmt.Errorf("wasm: export \"memory\" is a %v", have.Kind)
	}
	return nil
}
