package wasmfile

type constKind byte

const (
	constOther constKind = iota // a value that linking does not need
	constI32
	constFunc
)

// constant is the value of a constant expression. An i32 may be relative to an
// imported global (base, "module.name"), which is how shared libraries place
// their data and functions.
type constant struct {
	kind  constKind
	base  string
	value uint32 // i32, or the index of a function
}

// constant reads a constant expression up to and with its end. It keeps a
// stack because of the extended-const proposal (i32.add and the like).
func (p *parser) constant(r *reader) constant {
	var stack []constant
	for r.err == nil {
		switch op := r.byte(); op {
		case opEnd:
			if len(stack) != 1 {
				r.failf("constant expression leaves %d values", len(stack))
				return constant{}
			}
			return stack[0]
		case opI32Const:
			stack = append(stack, constant{kind: constI32, value: uint32(r.signed(32))})
		case opI64Const:
			r.signed(64)
			stack = append(stack, constant{})
		case opF32Const:
			r.take(4)
			stack = append(stack, constant{})
		case opF64Const:
			r.take(8)
			stack = append(stack, constant{})
		case opPrefixSIMD:
			if v128const := r.u32(); v128const != 12 {
				r.failf("SIMD instruction %d in a constant expression", v128const)
			}
			r.take(16)
			stack = append(stack, constant{})
		case opGlobalGet:
			stack = append(stack, p.globalValue(r))
		case opRefNull:
			r.refType()
			stack = append(stack, constant{})
		case opRefFunc:
			stack = append(stack, constant{kind: constFunc, value: p.funcIndex(r)})
		case opI32Add, opI32Sub, opI32Mul, opI64Add, opI64Sub, opI64Mul:
			if len(stack) < 2 {
				r.failf("constant expression lacks operands")
				return constant{}
			}
			a, b := stack[len(stack)-2], stack[len(stack)-1]
			stack = append(stack[:len(stack)-2], combine(op, a, b))
		default:
			r.failf("instruction %#x in a constant expression", op)
		}
	}
	return constant{}
}

func (p *parser) globalValue(r *reader) constant {
	i := r.u32()
	if int64(i) >= int64(len(p.m.globals)) {
		r.failf("no global %d", i)
		return constant{}
	}
	g := p.m.globals[i]
	switch {
	case g.typ != I32:
		return constant{}
	case g.imported:
		return constant{kind: constI32, base: g.name}
	}
	return g.init
}

// combine folds an operation on constants; what no address is made of is
// constOther.
func combine(op byte, a, b constant) constant {
	if a.kind != constI32 || b.kind != constI32 {
		return constant{}
	}
	switch {
	case op == opI32Add && (a.base == "" || b.base == ""):
		return constant{kind: constI32, base: a.base + b.base, value: a.value + b.value}
	case op == opI32Sub && b.base == "":
		return constant{kind: constI32, base: a.base, value: a.value - b.value}
	case op == opI32Mul && a.base == "" && b.base == "":
		return constant{kind: constI32, value: a.value * b.value}
	}
	return constant{}
}
