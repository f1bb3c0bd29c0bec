package runtime

import (
	"errors"
	"fmt"
	"slices"
)

// dlsym implements _dlsym_js(handle, name, index*): the address of a variable
// or the table entry of a function of a linked module, or 0 and dlerror. The
// index is of use to other threads only and stays what it is.
func (i *Instance) dlsym(handle, symbol uint32) uint32 {
	name := i.String(symbol)
	l := i.dl.handles[handle]
	if l == nil {
		return i.dlError(errors.New("not a handle of dlopen"))
	}
	if a, ok := l.side.info.DataAddress(name); ok {
		return l.memBase + a
	}
	if slot, ok := l.slots[name]; ok {
		return slot
	}
	at := slices.Index(l.side.exports, name)
	if at < 0 {
		return i.dlError(fmt.Errorf("undefined symbol %s", name))
	}
	if err := i.addNeighbours(handle, l, at/maxForeseen, nil); err != nil {
		return i.dlError(err)
	}
	return l.slots[name]
}

// addNeighbours gives entries to the exported functions of one block of
// maxForeseen that have none. expect is the step that it repeats, or nil.
func (i *Instance) addNeighbours(handle uint32, l *library, block int, expect *LinkStep) error {
	from := block * maxForeseen
	if from < 0 || from >= len(l.side.exports) {
		return fmt.Errorf("runtime: %s has no block %d of exports", l.path, block)
	}
	var names []string
	for _, name := range l.side.exports[from:min(from+maxForeseen, len(l.side.exports))] {
		if _, ok := l.slots[name]; !ok {
			names = append(names, name)
		}
	}
	base, err := i.growTable(len(names))
	if err != nil {
		return err
	}
	step := LinkStep{Path: l.path, Hash: l.side.key, Handle: handle, TableBase: base, Entries: uint32(len(names)), Symbols: true, Block: block}
	if expect != nil && *expect != step {
		return fmt.Errorf("runtime: relink %s: %w", l.path, errMoved)
	}
	if err := i.putFunctions(l.refs(names), base, l.mod); err != nil {
		step.Failed = true
		i.dl.steps = append(i.dl.steps, step)
		return err
	}
	i.dl.steps = append(i.dl.steps, step)
	for k, name := range names {
		l.slots[name] = base + uint32(k)
	}
	return nil
}
