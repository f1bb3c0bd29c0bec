package wasmfile

import (
	"errors"
	"fmt"
)

// Bounds of a function, so that a forged one asks for no more memory than
// this. Engines have lower ones.
const (
	maxLocals   = 50_000 // as in the JavaScript API, section "limits"
	maxOperands = 1 << 20
)

var (
	errOperands = fmt.Errorf("more than %d operands", maxOperands)
	errMissing  = errors.New("missing operand")
)

// selectSite is a select of two values that are neither integers nor
// references, by its first byte and the byte behind it.
type selectSite struct {
	start, end int
	typ        ValType
}

// tracker follows the types on the operand stack through the body of a
// function, which is how the type of a plain select is known. It is the
// algorithm of the core specification's appendix "validation algorithm"
// (https://webassembly.github.io/spec/core/appendix/algorithm.html) less the
// checks, with one simplification: behind a branch that is always taken the
// stack may hold anything, and no engine runs what stands there, so that code
// is only skipped, up to the end of its block.
//
// A tracker serves one goroutine, for many functions.
type tracker struct {
	m *Module

	r      reader
	locals []ValType // parameters first
	stack  []ValType
	frames []frame
	dead   int // in skipped code: open blocks that begin there, plus 1
	sites  []selectSite
}

// frame is a block that is open.
type frame struct {
	height int // of the stack below its parameters
	sig    Sig
}

// body reads an entry of the code section, whose size is already cut off and
// which stands at offset of the binary. What it found is in sites, and how
// many locals there are in locals, until the next call.
func (t *tracker) body(b []byte, offset int, sig Sig) error {
	t.r = reader{b: b, base: offset, section: secCode.String()}
	t.stack, t.frames, t.sites, t.dead = t.stack[:0], t.frames[:0], t.sites[:0], 0
	t.readLocals(sig.Params)
	t.frames = append(t.frames, frame{sig: Sig{Results: sig.Results}})
	for len(t.frames) > 0 && t.r.err == nil {
		t.instruction()
	}
	return t.r.end()
}

func (t *tracker) readLocals(params []ValType) {
	t.locals = append(t.locals[:0], params...)
	for n := t.r.count(2); n > 0; n-- {
		count, typ := t.r.u32(), t.r.valType()
		if uint64(len(t.locals))+uint64(count) > maxLocals {
			t.r.failf("more than %d locals", maxLocals)
			return
		}
		for ; count > 0; count-- {
			t.locals = append(t.locals, typ)
		}
	}
}

func (t *tracker) instruction() {
	start := t.r.pos
	op := t.r.byte()
	s := &coreShapes[op]
	if s.kind == shapePrefix {
		second := t.r.u32()
		if second > 0xff {
			t.r.failf("unknown instruction %#x %#x", op, second)
			return
		}
		if s = &prefixShapes[op-opPrefixBulk][second]; s.kind == shapeUnknown {
			t.r.failf("unknown instruction %#x %#x", op, second)
			return
		}
	}
	switch s.kind {
	case shapePlain:
		t.r.skip(s.lebs, s.bytes)
		if t.dead == 0 {
			if t.pop(int(s.pops)) && s.pushes != 0 {
				t.push(s.pushes)
			}
		}
	case shapeOther:
		t.other(op, start)
	default:
		if t.r.err == nil {
			t.r.failf("unknown instruction %#x", op)
		}
	}
}

// other follows the instructions whose effect is not told by their opcode.
func (t *tracker) other(op byte, start int) {
	switch op {
	case opBlock, opLoop, opIf:
		t.open(op)
	case opElse:
		t.elseArm()
	case opEnd:
		t.close()
	case opBr:
		t.r.u32()
		t.die()
	case opBrTable:
		for n := t.r.count(1); n >= 0 && t.r.err == nil; n-- { // the default, too
			t.r.u32()
		}
		t.die()
	case opUnreachable, opReturn:
		t.die()
	case opCall:
		t.call(t.callee())
	case opReturnCall:
		t.r.u32()
		t.die()
	case opCallIndirect:
		sig := t.funcType(t.r.u32())
		t.r.u32()
		if t.dead == 0 {
			t.pop(1)
		}
		t.call(sig)
	case opReturnCallIndirect:
		t.r.skip(2, 0)
		t.die()
	case opLocalGet:
		if i := t.r.u32(); uint64(i) >= uint64(len(t.locals)) {
			t.r.failf("no local %d", i)
		} else if t.dead == 0 {
			t.push(t.locals[i])
		}
	case opGlobalGet:
		if i := t.r.u32(); uint64(i) >= uint64(len(t.m.globals)) {
			t.r.failf("no global %d", i)
		} else if t.dead == 0 {
			t.push(t.m.globals[i].typ)
		}
	case opSelect:
		t.choose(start, 0)
	case opSelectTyped:
		if n := t.r.u32(); n != 1 {
			t.r.failf("select of %d values", n)
			return
		}
		t.choose(start, t.r.valType())
	}
}

// choose is a select, typ being 0 for the plain one, whose operands tell.
func (t *tracker) choose(start int, typ ValType) {
	if t.dead > 0 || !t.pop(3) {
		return
	}
	if typ == 0 {
		first := len(t.stack)
		typ = t.stack[:first+1][first]
	}
	t.push(typ)
	switch typ {
	case F32, F64, V128:
		t.sites = append(t.sites, selectSite{start, t.r.pos, typ})
	}
}

func (t *tracker) callee() Sig {
	f := t.r.u32()
	if uint64(f) >= uint64(len(t.m.funcs)) {
		t.r.failf("no function %d", f)
		return Sig{}
	}
	return t.m.FuncSig(f)
}

func (t *tracker) funcType(i uint32) Sig {
	if uint64(i) >= uint64(len(t.m.types)) {
		t.r.failf("no type %d", i)
		return Sig{}
	}
	return t.m.types[i]
}

func (t *tracker) call(s Sig) {
	if t.dead == 0 && t.pop(len(s.Params)) {
		t.pushAll(s.Results)
	}
}

// blockType reads a type of block: 0x40 for none, the type of its one result,
// or, as a positive number of 33 bits, the index of a function type.
func (t *tracker) blockType() Sig {
	if t.r.done() || t.r.b[t.r.pos]&0xc0 != 0x40 {
		return t.funcType(uint32(t.r.signed(33)))
	}
	if t.r.b[t.r.pos] == blockEmpty {
		t.r.pos++
		return Sig{}
	}
	result := t.r.b[t.r.pos : t.r.pos+1]
	t.r.valType()
	return Sig{Results: result}
}

func (t *tracker) open(op byte) {
	sig := t.blockType()
	if t.dead > 0 {
		t.dead++
		return
	}
	if op == opIf {
		t.pop(1)
	}
	if t.pop(len(sig.Params)) {
		t.frames = append(t.frames, frame{height: len(t.stack), sig: sig})
		t.pushAll(sig.Params)
	}
}

func (t *tracker) elseArm() {
	if t.dead > 1 {
		return
	}
	f := t.frames[len(t.frames)-1]
	t.dead = 0
	t.stack = t.stack[:f.height]
	t.pushAll(f.sig.Params)
}

func (t *tracker) close() {
	if t.dead > 1 {
		t.dead--
		return
	}
	f := t.frames[len(t.frames)-1]
	t.frames = t.frames[:len(t.frames)-1]
	t.dead = 0
	t.stack = t.stack[:f.height]
	t.pushAll(f.sig.Results)
}

// die begins code that is never run.
func (t *tracker) die() {
	if t.dead == 0 {
		t.dead = 1
	}
}

// pop takes n operands of the innermost block and reports whether they were
// there.
func (t *tracker) pop(n int) bool {
	if len(t.stack)-n < t.frames[len(t.frames)-1].height {
		t.r.fail(errMissing)
		return false
	}
	t.stack = t.stack[:len(t.stack)-n]
	return true
}

func (t *tracker) push(typ ValType) {
	if len(t.stack) == maxOperands {
		t.r.fail(errOperands)
		return
	}
	t.stack = append(t.stack, typ)
}

func (t *tracker) pushAll(types []ValType) {
	if len(t.stack)+len(types) > maxOperands {
		t.r.fail(errOperands)
		return
	}
	t.stack = append(t.stack, types...)
}

// skip passes over LEB128 integers of at most 64 bits and then bytes.
func (r *reader) skip(lebs, bytes uint8) {
	for ; lebs > 0; lebs-- {
		if r.byte() >= 0x80 {
			r.skipLong()
		}
	}
	if bytes > 0 {
		r.take(uint32(bytes))
	}
}

// skipLong passes over what follows the first byte of an integer.
func (r *reader) skipLong() {
	for range 9 {
		if r.byte() < 0x80 {
			return
		}
	}
	r.fail(errInteger)
}
