package wasmfile

import "fmt"

// interpose gives each function a new body that calls its slot, and appends
// the old bodies that are still called.
func (e *editor) interpose(ips []Interposition) error {
	if len(ips) == 0 {
		return nil
	}
	bodies := e.bodies()
	imported := e.m.numImports[KindFunc]
	taken := map[uint32]bool{}
	var oldTypes, oldBodies [][]byte
	for _, ip := range ips {
		index, err := e.target(ip)
		if err != nil {
			return fmt.Errorf("wasm: interpose %v: %w", ip, err)
		}
		if taken[index] {
			return fmt.Errorf("wasm: interpose %v: named twice", ip)
		}
		taken[index] = true
		sig := e.m.FuncSig(index)
		call := Code(nil).params(len(sig.Params)).I32Const(ip.Slot)
		old := e.m.NumFuncs() + uint32(len(oldBodies))
		var locals uint32
		switch ip.Mode {
		case Replace:
			call = call.CallIndirect(e.m.funcs[index])
		case Before:
			call = call.CallIndirect(e.typeOf(Sig{Params: sig.Params})).
				params(len(sig.Params)).Call(old)
			if ip.Countdown != nil {
				call, locals = ip.Countdown.around(call), 1
			}
		case Override:
			result := uint32(len(sig.Params))
			locals = 1
			call = call.CallIndirect(e.m.funcs[index]).LocalTee(result).
				If().LocalGet(result).Return().EndIf().
				params(len(sig.Params)).Call(old)
		}
		if ip.Mode != Replace {
			oldTypes = append(oldTypes, appendU32(nil, e.m.funcs[index]))
			oldBodies = append(oldBodies, bodies[index-imported])
		}
		bodies[index-imported] = call.body(locals)
	}
	if len(oldBodies) > 0 {
		e.appendTo(secFunc, oldTypes...)
	}
	e.setBodies(append(bodies, oldBodies...))
	return nil
}

// around puts the countdown around the code of a function, whose first local is
// used.
func (d *Countdown) around(c Code) Code {
	counts := Code(nil).I32Const(d.Addr).I32Load(0).LocalTee(0).I32Const(1).i32GtU().If().
		I32Const(d.Addr).LocalGet(0).I32Const(1).i32Sub().I32Store(0).
		Return().EndIf()
	return append(counts, c...).
		I32Const(d.Addr).I32Load(0).i32Eqz().If().
		I32Const(d.Addr).I32Const(d.Start).I32Store(0).
		EndIf()
}

// target finds and checks the function that an interposition names.
func (e *editor) target(ip Interposition) (uint32, error) {
	index := ip.Func
	imported := e.m.numImports[KindFunc]
	if ip.Export != "" {
		var ok bool
		if index, ok = e.m.ExportedFunc(ip.Export); !ok {
			return 0, fmt.Errorf("not exported")
		}
		if index < imported {
			return 0, fmt.Errorf("it is imported")
		}
	} else {
		if ip.Func >= e.defined {
			return 0, fmt.Errorf("there are only %d", e.defined)
		}
		index += imported
	}
	sig := e.m.FuncSig(index)
	if ip.Sig != nil && !ip.Sig.Equal(sig) {
		return 0, fmt.Errorf("signature is %v, expected %v", sig, *ip.Sig)
	}
	if ip.Mode > Override {
		return 0, fmt.Errorf("unknown %v", ip.Mode)
	}
	if ip.Mode == Override && !sig.Equal(Sig{Params: sig.Params, Results: []ValType{I32}}) {
		return 0, fmt.Errorf("signature %v can't be overridden: not one i32 result", sig)
	}
	if ip.Countdown != nil && (ip.Mode != Before || !sig.Equal(Sig{})) {
		return 0, fmt.Errorf("%v of signature %v can't count down", ip.Mode, sig)
	}
	if len(e.m.Tables) == 0 {
		return 0, fmt.Errorf("module has no table")
	}
	return index, nil
}

// bodies cuts the code section into its entries, sizes included; they are
// those of setBodies, once it was called.
func (e *editor) bodies() [][]byte {
	if e.newBodies != nil {
		return e.newBodies
	}
	r := &reader{b: e.content(secCode)}
	if r.done() {
		return nil
	}
	out := make([][]byte, r.u32())
	for i := range out {
		start := r.pos
		r.take(r.u32())
		out[i] = r.b[start:r.pos]
	}
	return out
}

// setBodies replaces all entries of the code section, sizes included. The
// section is written at the end, by joinBodies: once, since it is large.
func (e *editor) setBodies(bodies [][]byte) { e.newBodies = bodies }

func (e *editor) joinBodies() {
	if e.newBodies == nil {
		return
	}
	size := 5
	for _, body := range e.newBodies {
		size += len(body)
	}
	code := appendU32(make([]byte, 0, size), uint32(len(e.newBodies)))
	for _, body := range e.newBodies {
		code = append(code, body...)
	}
	e.set(secCode, code)
}

// typeOf gives the index of a function type and adds it when missing.
func (e *editor) typeOf(s Sig) uint32 {
	for i, t := range e.m.types {
		if t.Equal(s) {
			return uint32(i)
		}
	}
	e.m.types = append(e.m.types, s)
	return e.appendTo(secType, appendSig(nil, s))
}
