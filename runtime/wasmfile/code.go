package wasmfile

const (
	opUnreachable        = 0x00
	opBlock              = 0x02
	opLoop               = 0x03
	opIf                 = 0x04
	opElse               = 0x05
	opEnd                = 0x0b
	opBr                 = 0x0c
	opBrTable            = 0x0e
	opReturn             = 0x0f
	opCall               = 0x10
	opCallIndirect       = 0x11
	opReturnCall         = 0x12
	opReturnCallIndirect = 0x13
	opSelect             = 0x1b
	opSelectTyped        = 0x1c
	opLocalGet           = 0x20
	opLocalSet           = 0x21
	opLocalTee           = 0x22
	opGlobalGet          = 0x23
	opGlobalSet          = 0x24
	opTableSet           = 0x26
	opI32Load            = 0x28
	opI32Store           = 0x36
	opI32Const           = 0x41
	opI64Const           = 0x42
	opF32Const           = 0x43
	opF64Const           = 0x44
	opI32Eqz             = 0x45
	opI32GtU             = 0x4b
	opI32Add             = 0x6a
	opI32Sub             = 0x6b
	opI32Mul             = 0x6c
	opI64Add             = 0x7c
	opI64Sub             = 0x7d
	opI64Mul             = 0x7e
	opI64ExtendI32U      = 0xad
	opI32ReinterpretF32  = 0xbc
	opI64ReinterpretF64  = 0xbd
	opF32ReinterpretI32  = 0xbe
	opF64ReinterpretI64  = 0xbf
	opRefNull            = 0xd0
	opRefFunc            = 0xd2
	opPrefixBulk         = 0xfc
	opPrefixSIMD         = 0xfd

	bulkTableGrow     = 0x0f
	simdI64x2Splat    = 0x12
	simdV128Bitselect = 0x52
	blockEmpty        = 0x40
	align4            = 2 // an alignment of 4 bytes as an exponent of 2
)

// Code is the instructions of a function, without the closing end. Its methods
// append one instruction each, so that code reads in the order it runs.
type Code []byte

// LocalGet pushes a parameter or local.
func (c Code) LocalGet(i uint32) Code { return appendU32(append(c, opLocalGet), i) }

// localSet takes the top of the stack into a local.
func (c Code) localSet(i uint32) Code { return appendU32(append(c, opLocalSet), i) }

// LocalTee stores the top of the stack in a local and leaves it there.
func (c Code) LocalTee(i uint32) Code { return appendU32(append(c, opLocalTee), i) }

// GlobalGet pushes a global.
func (c Code) GlobalGet(i uint32) Code { return appendU32(append(c, opGlobalGet), i) }

// GlobalSet stores the top of the stack in a global.
func (c Code) GlobalSet(i uint32) Code { return appendU32(append(c, opGlobalSet), i) }

// I32Load replaces an address by the number at offset bytes from it.
func (c Code) I32Load(offset uint32) Code { return appendU32(append(c, opI32Load, align4), offset) }

// I32Store stores a number offset bytes from the address below it.
func (c Code) I32Store(offset uint32) Code { return appendU32(append(c, opI32Store, align4), offset) }

// I32Const pushes a number.
func (c Code) I32Const(x uint32) Code { return appendI32(append(c, opI32Const), int32(x)) }

// I32Add adds the two topmost numbers.
func (c Code) I32Add() Code { return append(c, opI32Add) }

// i32Sub takes the topmost number from the one below it.
func (c Code) i32Sub() Code { return append(c, opI32Sub) }

// i32GtU tells whether the number below the topmost is greater, without signs.
func (c Code) i32GtU() Code { return append(c, opI32GtU) }

// i32Eqz tells whether the topmost number is 0.
func (c Code) i32Eqz() Code { return append(c, opI32Eqz) }

// Call calls a function by its index.
func (c Code) Call(fn uint32) Code { return appendU32(append(c, opCall), fn) }

// CallIndirect calls the function whose entry of table 0 is on top of the
// stack; typ is the index of its type.
func (c Code) CallIndirect(typ uint32) Code {
	return append(appendU32(append(c, opCallIndirect), typ), 0)
}

// If runs what follows, up to EndIf, when the top of the stack is not zero.
func (c Code) If() Code { return append(c, opIf, blockEmpty) }

// EndIf closes If.
func (c Code) EndIf() Code { return append(c, opEnd) }

// Return leaves the function with the values on the stack.
func (c Code) Return() Code { return append(c, opReturn) }

// RefFunc pushes a reference to a function, which must be declared.
func (c Code) RefFunc(fn uint32) Code { return appendU32(append(c, opRefFunc), fn) }

// RefNullFunc pushes the null reference to a function.
func (c Code) RefNullFunc() Code { return append(c, opRefNull, RefFunc) }

// TableSet stores a reference in table 0.
func (c Code) TableSet() Code { return append(c, opTableSet, 0) }

// TableGrow grows table 0 and pushes its former size, or -1.
func (c Code) TableGrow() Code { return append(c, opPrefixBulk, bulkTableGrow, 0) }

// params pushes n parameters from the first on.
func (c Code) params(n int) Code {
	for i := range n {
		c = c.LocalGet(uint32(i))
	}
	return c
}

// body closes the code and puts its size and its locals, n of type i32, in
// front: an entry of the code section.
func (c Code) body(i32Locals uint32) []byte {
	b := []byte{0}
	if i32Locals > 0 {
		b = append(appendU32([]byte{1}, i32Locals), I32)
	}
	b = append(append(b, c...), opEnd)
	return appendSized(nil, b)
}
