package wasmfile

import (
	"bytes"
	"fmt"
)

// Call gives a place inside of a function back to the host, where the
// compiler left nothing to interpose: Old occurs once in the code, and its
// first six bytes become a call of an entry of the function table that takes
// and returns nothing. The rest of Old only tells the place.
//
// These six bytes must be whole instructions that together leave the stack as
// it was, like a load whose result is dropped; what else they do is gone.
type Call struct {
	Name string // for errors
	Old  []byte
	Slot uint32 // entry of table 0
}

// callSize is the length of a call whose index is padded to the five bytes
// that any may take.
const callSize = 6

// calls puts the calls in place and makes their functions, one for each slot,
// behind all others. The bodies wait in e.callers, since what comes next looks
// at the bodies of the module itself.
func (e *editor) calls(calls []Call) error {
	if len(calls) == 0 {
		return nil
	}
	if len(e.m.Tables) == 0 {
		return fmt.Errorf("wasm: call %q: module has no table", calls[0].Name)
	}
	code := bytes.Clone(e.content(secCode))
	callers := map[uint32]uint32{} // slot to function
	for _, c := range calls {
		at, err := only(code, c.Old)
		if err != nil {
			return fmt.Errorf("wasm: call %q: %w", c.Name, err)
		}
		fn, ok := callers[c.Slot]
		if !ok {
			fn = e.caller(c.Slot)
			callers[c.Slot] = fn
		}
		code[at] = opCall
		for k := range callSize - 1 {
			code[at+1+k] = byte(fn>>(7*k)) | 0x80
		}
		code[at+callSize-1] &^= 0x80
	}
	e.set(secCode, code)
	return nil
}

// only finds the one place where old is.
func only(code, old []byte) (int, error) {
	if len(old) < callSize {
		return 0, fmt.Errorf("%d bytes are too few for a call", len(old))
	}
	first, last := bytes.Index(code, old), bytes.LastIndex(code, old)
	switch {
	case first < 0:
		return 0, fmt.Errorf("not found")
	case first != last:
		return 0, fmt.Errorf("found more than once")
	}
	return first, nil
}

// caller adds a function that calls the entry of a slot, and gives its index.
func (e *editor) caller(slot uint32) uint32 {
	typ := e.typeOf(Sig{})
	e.callers = append(e.callers, Code(nil).I32Const(slot).CallIndirect(typ).body(0))
	e.appendTo(secFunc, appendU32(nil, typ))
	e.m.funcs = append(e.m.funcs, typ)
	return e.m.NumFuncs() - 1
}

// addCallers puts the bodies of the functions that calls made behind the
// others.
func (e *editor) addCallers() {
	if len(e.callers) > 0 {
		e.setBodies(append(e.bodies(), e.callers...))
	}
}
