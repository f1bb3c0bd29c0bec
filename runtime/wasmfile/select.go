package wasmfile

import "bytes"

// integerSelect replaces what a tracker finds. A body without any byte that
// could be a select, which most are, is not looked at.
func (e *editor) integerSelect() error {
	bodies := e.bodies()
	offset := e.codeEnd()
	for _, entry := range bodies {
		offset -= len(entry)
	}
	t := tracker{m: e.m}
	changed := false
	for i, entry := range bodies {
		body := unsized(entry)
		if bytes.IndexByte(body, opSelect) >= 0 || bytes.IndexByte(body, opSelectTyped) >= 0 {
			sig := e.m.FuncSig(e.m.numImports[KindFunc] + uint32(i))
			if err := t.body(body, offset+len(entry)-len(body), sig); err != nil {
				return err
			}
			if len(t.sites) > 0 {
				bodies[i], changed = appendSized(nil, t.integers(body)), true
			}
		}
		offset += len(entry)
	}
	if changed {
		e.setBodies(bodies)
	}
	return nil
}

// codeEnd is the offset in the binary at which its code section ended.
func (e *editor) codeEnd() int {
	for _, s := range e.secs {
		if s.id == secCode {
			return s.offset + len(s.content)
		}
	}
	return 0
}

// unsized is a sized entry without its size.
func unsized(entry []byte) []byte {
	r := reader{b: entry}
	r.u32()
	return r.b[r.pos:]
}

// integers gives the body that was tracked last with the selects replaced. It
// gets up to three locals behind its own: the condition, which is in the way
// of the second operand, and that operand of 32 and of 64 bits.
func (t *tracker) integers(body []byte) []byte {
	var has [256]bool
	for _, s := range t.sites {
		has[s.typ] = true
	}
	n := uint32(len(t.locals))
	cond, b32, b64 := n, n+1, n+1
	var groups Code
	var added uint32
	switch {
	case has[F32]:
		groups, added, b64 = append(groups, 2, I32), 1, b64+1
	case has[F64]:
		groups, added = append(groups, 1, I32), 1
	}
	if has[F64] {
		groups, added = append(groups, 1, I64), added+1
	}

	r := reader{b: body}
	own := r.u32()
	first := r.pos
	for range own {
		r.u32()
		r.byte()
	}
	out := make(Code, 0, len(body)+16+16*len(t.sites))
	out = append(appendU32(out, own+added), body[first:r.pos]...)
	out = append(out, groups...)
	at := r.pos
	for _, s := range t.sites {
		out = append(out, body[at:s.start]...)
		switch s.typ {
		case F32:
			out = out.bitsSelect(opI32ReinterpretF32, opF32ReinterpretI32, cond, b32)
		case F64:
			out = out.bitsSelect(opI64ReinterpretF64, opF64ReinterpretI64, cond, b64)
		case V128:
			out = out.maskSelect()
		}
		at = s.end
	}
	return append(out, body[at:]...)
}

// bitsSelect is a select of floats as integers. Reinterpreting keeps every
// bit, those of a NaN, too.
func (c Code) bitsSelect(toInt, toFloat byte, cond, b uint32) Code {
	c = append(c.localSet(cond), toInt).localSet(b)
	c = append(c, toInt).LocalGet(b).LocalGet(cond)
	return append(c, opSelect, toFloat)
}

// maskSelect is a select of vectors: the condition becomes a mask of 128 ones
// or zeros.
func (c Code) maskSelect() Code {
	return append(c,
		opI32Eqz, opI64ExtendI32U, opI64Const, 1, opI64Sub, // 0 or 1, less 1
		opPrefixSIMD, simdI64x2Splat, opPrefixSIMD, simdV128Bitselect)
}
