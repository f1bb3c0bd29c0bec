package wasmfile

// shape is what an instruction does to the operand stack, and what stands
// behind its opcode: some LEB128 integers (indices, constants, alignment and
// offset of a memory access), then some bytes (lanes, constants).
type shape struct {
	kind   shapeKind
	lebs   uint8
	bytes  uint8
	pops   uint8
	pushes ValType // 0 for nothing
}

type shapeKind uint8

const (
	shapeUnknown shapeKind = iota
	shapePlain             // all that there is to know is in the shape
	shapeOther             // depends on more than the opcode
	shapePrefix            // a second opcode follows
)

// shapeRow gives one shape to the opcodes from first to last.
type shapeRow struct {
	first, last, lebs, bytes, pops byte
	pushes                         ValType
}

func shapes(other []byte, rows []shapeRow) *[256]shape {
	var t [256]shape
	for _, op := range other {
		t[op].kind = shapeOther
	}
	for _, r := range rows {
		for op := int(r.first); op <= int(r.last); op++ {
			t[op] = shape{kind: shapePlain, lebs: r.lebs, bytes: r.bytes, pops: r.pops, pushes: r.pushes}
		}
	}
	return &t
}

// The tables follow the index of instructions in the core specification 2.0,
// https://webassembly.github.io/spec/core/appendix/index-instructions.html,
// and for 0x12, 0x13 and 0xfe those of the proposals tail-call and threads.
// References are not told apart.
var coreShapes = withPrefixes(shapes([]byte{
	opUnreachable, opBlock, opLoop, opIf, opElse, opEnd, opBr, opBrTable, opReturn,
	opCall, opCallIndirect, opReturnCall, opReturnCallIndirect,
	opSelect, opSelectTyped, opLocalGet, opGlobalGet,
}, []shapeRow{
	{0x01, 0x01, 0, 0, 0, 0},         // nop
	{0x0d, 0x0d, 1, 0, 1, 0},         // br_if: what it carries stays
	{0x1a, 0x1a, 0, 0, 1, 0},         // drop
	{0x21, 0x21, 1, 0, 1, 0},         // local.set
	{0x22, 0x22, 1, 0, 0, 0},         // local.tee: takes and gives the same
	{0x24, 0x24, 1, 0, 1, 0},         // global.set
	{0x25, 0x25, 1, 0, 1, RefExtern}, // table.get
	{0x26, 0x26, 1, 0, 2, 0},         // table.set
	{0x28, 0x28, 2, 0, 1, I32},       // i32.load
	{0x29, 0x29, 2, 0, 1, I64},       // i64.load
	{0x2a, 0x2a, 2, 0, 1, F32},       // f32.load
	{0x2b, 0x2b, 2, 0, 1, F64},       // f64.load
	{0x2c, 0x2f, 2, 0, 1, I32},       // i32.load8_s … i32.load16_u
	{0x30, 0x35, 2, 0, 1, I64},       // i64.load8_s … i64.load32_u
	{0x36, 0x3e, 2, 0, 2, 0},         // i32.store … i64.store32
	{0x3f, 0x3f, 1, 0, 0, I32},       // memory.size
	{0x40, 0x40, 1, 0, 1, I32},       // memory.grow
	{0x41, 0x41, 1, 0, 0, I32},       // i32.const
	{0x42, 0x42, 1, 0, 0, I64},       // i64.const
	{0x43, 0x43, 0, 4, 0, F32},       // f32.const
	{0x44, 0x44, 0, 8, 0, F64},       // f64.const
	{0x45, 0x45, 0, 0, 1, I32},       // i32.eqz
	{0x46, 0x4f, 0, 0, 2, I32},       // i32.eq … i32.ge_u
	{0x50, 0x50, 0, 0, 1, I32},       // i64.eqz
	{0x51, 0x66, 0, 0, 2, I32},       // i64.eq … f64.ge
	{0x67, 0x69, 0, 0, 1, I32},       // i32.clz, ctz, popcnt
	{0x6a, 0x78, 0, 0, 2, I32},       // i32.add … i32.rotr
	{0x79, 0x7b, 0, 0, 1, I64},       // i64.clz, ctz, popcnt
	{0x7c, 0x8a, 0, 0, 2, I64},       // i64.add … i64.rotr
	{0x8b, 0x91, 0, 0, 1, F32},       // f32.abs … f32.sqrt
	{0x92, 0x98, 0, 0, 2, F32},       // f32.add … f32.copysign
	{0x99, 0x9f, 0, 0, 1, F64},       // f64.abs … f64.sqrt
	{0xa0, 0xa6, 0, 0, 2, F64},       // f64.add … f64.copysign
	{0xa7, 0xab, 0, 0, 1, I32},       // i32.wrap_i64, i32.trunc_*
	{0xac, 0xb1, 0, 0, 1, I64},       // i64.extend_i32_*, i64.trunc_*
	{0xb2, 0xb6, 0, 0, 1, F32},       // f32.convert_*, f32.demote_f64
	{0xb7, 0xbb, 0, 0, 1, F64},       // f64.convert_*, f64.promote_f32
	{0xbc, 0xbc, 0, 0, 1, I32},       // i32.reinterpret_f32
	{0xbd, 0xbd, 0, 0, 1, I64},       // i64.reinterpret_f64
	{0xbe, 0xbe, 0, 0, 1, F32},       // f32.reinterpret_i32
	{0xbf, 0xbf, 0, 0, 1, F64},       // f64.reinterpret_i64
	{0xc0, 0xc1, 0, 0, 1, I32},       // i32.extend8_s, i32.extend16_s
	{0xc2, 0xc4, 0, 0, 1, I64},       // i64.extend8_s … i64.extend32_s
	{0xd0, 0xd0, 0, 1, 0, RefExtern}, // ref.null
	{0xd1, 0xd1, 0, 0, 1, I32},       // ref.is_null
	{0xd2, 0xd2, 1, 0, 0, RefFunc},   // ref.func
}))

func withPrefixes(t *[256]shape) *[256]shape {
	for i := range prefixShapes {
		t[opPrefixBulk+i].kind = shapePrefix
	}
	return t
}

// prefixShapes are those of the second opcodes behind 0xfc, 0xfd and 0xfe. All
// are below 256: the relaxed SIMD instructions, which are not, are not known.
var prefixShapes = [3]*[256]shape{
	shapes(nil, []shapeRow{ // 0xfc
		{0x00, 0x03, 0, 0, 1, I32}, // i32.trunc_sat_*
		{0x04, 0x07, 0, 0, 1, I64}, // i64.trunc_sat_*
		{0x08, 0x08, 2, 0, 3, 0},   // memory.init
		{0x09, 0x09, 1, 0, 0, 0},   // data.drop
		{0x0a, 0x0a, 2, 0, 3, 0},   // memory.copy
		{0x0b, 0x0b, 1, 0, 3, 0},   // memory.fill
		{0x0c, 0x0c, 2, 0, 3, 0},   // table.init
		{0x0d, 0x0d, 1, 0, 0, 0},   // elem.drop
		{0x0e, 0x0e, 2, 0, 3, 0},   // table.copy
		{0x0f, 0x0f, 1, 0, 2, I32}, // table.grow
		{0x10, 0x10, 1, 0, 0, I32}, // table.size
		{0x11, 0x11, 1, 0, 3, 0},   // table.fill
	}),
	shapes(nil, []shapeRow{ // 0xfd
		{0x00, 0x0a, 2, 0, 1, V128},  // v128.load … v128.load64_splat
		{0x0b, 0x0b, 2, 0, 2, 0},     // v128.store
		{0x0c, 0x0c, 0, 16, 0, V128}, // v128.const
		{0x0d, 0x0d, 0, 16, 2, V128}, // i8x16.shuffle
		{0x0e, 0x0e, 0, 0, 2, V128},  // i8x16.swizzle
		{0x0f, 0x14, 0, 0, 1, V128},  // i8x16.splat … f64x2.splat
		{0x15, 0x16, 0, 1, 1, I32},   // i8x16.extract_lane_*
		{0x17, 0x17, 0, 1, 2, V128},  // i8x16.replace_lane
		{0x18, 0x19, 0, 1, 1, I32},   // i16x8.extract_lane_*
		{0x1a, 0x1a, 0, 1, 2, V128},  // i16x8.replace_lane
		{0x1b, 0x1b, 0, 1, 1, I32},   // i32x4.extract_lane
		{0x1c, 0x1c, 0, 1, 2, V128},  // i32x4.replace_lane
		{0x1d, 0x1d, 0, 1, 1, I64},   // i64x2.extract_lane
		{0x1e, 0x1e, 0, 1, 2, V128},  // i64x2.replace_lane
		{0x1f, 0x1f, 0, 1, 1, F32},   // f32x4.extract_lane
		{0x20, 0x20, 0, 1, 2, V128},  // f32x4.replace_lane
		{0x21, 0x21, 0, 1, 1, F64},   // f64x2.extract_lane
		{0x22, 0x22, 0, 1, 2, V128},  // f64x2.replace_lane
		{0x23, 0x4c, 0, 0, 2, V128},  // i8x16.eq … f64x2.ge
		{0x4d, 0x4d, 0, 0, 1, V128},  // v128.not
		{0x4e, 0x51, 0, 0, 2, V128},  // v128.and … v128.xor
		{0x52, 0x52, 0, 0, 3, V128},  // v128.bitselect
		{0x53, 0x53, 0, 0, 1, I32},   // v128.any_true
		{0x54, 0x57, 2, 1, 2, V128},  // v128.load8_lane … v128.load64_lane
		{0x58, 0x5b, 2, 1, 2, 0},     // v128.store8_lane … v128.store64_lane
		{0x5c, 0x5d, 2, 0, 1, V128},  // v128.load32_zero, v128.load64_zero
		{0x5e, 0x62, 0, 0, 1, V128},  // f32x4.demote_f64x2_zero … i8x16.popcnt
		{0x63, 0x64, 0, 0, 1, I32},   // i8x16.all_true, i8x16.bitmask
		{0x65, 0x66, 0, 0, 2, V128},  // i8x16.narrow_i16x8_*
		{0x67, 0x6a, 0, 0, 1, V128},  // f32x4.ceil … f32x4.nearest
		{0x6b, 0x73, 0, 0, 2, V128},  // i8x16.shl … i8x16.sub_sat_u
		{0x74, 0x75, 0, 0, 1, V128},  // f64x2.ceil, f64x2.floor
		{0x76, 0x79, 0, 0, 2, V128},  // i8x16.min_s … i8x16.max_u
		{0x7a, 0x7a, 0, 0, 1, V128},  // f64x2.trunc
		{0x7b, 0x7b, 0, 0, 2, V128},  // i8x16.avgr_u
		{0x7c, 0x81, 0, 0, 1, V128},  // i16x8.extadd_pairwise_i8x16_s … i16x8.neg
		{0x82, 0x82, 0, 0, 2, V128},  // i16x8.q15mulr_sat_s
		{0x83, 0x84, 0, 0, 1, I32},   // i16x8.all_true, i16x8.bitmask
		{0x85, 0x86, 0, 0, 2, V128},  // i16x8.narrow_i32x4_*
		{0x87, 0x8a, 0, 0, 1, V128},  // i16x8.extend_*
		{0x8b, 0x93, 0, 0, 2, V128},  // i16x8.shl … i16x8.sub_sat_u
		{0x94, 0x94, 0, 0, 1, V128},  // f64x2.nearest
		{0x95, 0x99, 0, 0, 2, V128},  // i16x8.mul … i16x8.max_u
		{0x9b, 0x9f, 0, 0, 2, V128},  // i16x8.avgr_u, i16x8.extmul_*
		{0xa0, 0xa1, 0, 0, 1, V128},  // i32x4.abs, i32x4.neg
		{0xa3, 0xa4, 0, 0, 1, I32},   // i32x4.all_true, i32x4.bitmask
		{0xa7, 0xaa, 0, 0, 1, V128},  // i32x4.extend_*
		{0xab, 0xae, 0, 0, 2, V128},  // i32x4.shl … i32x4.add
		{0xb1, 0xb1, 0, 0, 2, V128},  // i32x4.sub
		{0xb5, 0xba, 0, 0, 2, V128},  // i32x4.mul … i32x4.dot_i16x8_s
		{0xbc, 0xbf, 0, 0, 2, V128},  // i32x4.extmul_*
		{0xc0, 0xc1, 0, 0, 1, V128},  // i64x2.abs, i64x2.neg
		{0xc3, 0xc4, 0, 0, 1, I32},   // i64x2.all_true, i64x2.bitmask
		{0xc7, 0xca, 0, 0, 1, V128},  // i64x2.extend_*
		{0xcb, 0xce, 0, 0, 2, V128},  // i64x2.shl … i64x2.add
		{0xd1, 0xd1, 0, 0, 2, V128},  // i64x2.sub
		{0xd5, 0xdf, 0, 0, 2, V128},  // i64x2.mul … i64x2.extmul_high_i32x4_u
		{0xe0, 0xe1, 0, 0, 1, V128},  // f32x4.abs, f32x4.neg
		{0xe3, 0xe3, 0, 0, 1, V128},  // f32x4.sqrt
		{0xe4, 0xeb, 0, 0, 2, V128},  // f32x4.add … f32x4.pmax
		{0xec, 0xed, 0, 0, 1, V128},  // f64x2.abs, f64x2.neg
		{0xef, 0xef, 0, 0, 1, V128},  // f64x2.sqrt
		{0xf0, 0xf7, 0, 0, 2, V128},  // f64x2.add … f64x2.pmax
		{0xf8, 0xff, 0, 0, 1, V128},  // i32x4.trunc_sat_f32x4_s … f64x2.convert_low_i32x4_u
	}),
	shapes(nil, append([]shapeRow{ // 0xfe
		{0x00, 0x00, 2, 0, 2, I32}, // memory.atomic.notify
		{0x01, 0x02, 2, 0, 3, I32}, // memory.atomic.wait32, memory.atomic.wait64
		{0x03, 0x03, 0, 1, 0, 0},   // atomic.fence
		{0x17, 0x1d, 2, 0, 2, 0},   // i32.atomic.store … i64.atomic.store32
	}, atomicRows()...)),
}

// atomicRows gives the families of seven accesses each (i32, i64, i32 of 8 and
// 16 bits, i64 of 8, 16 and 32 bits) that push the memory's former contents.
func atomicRows() (rows []shapeRow) {
	for _, f := range []struct{ first, pops byte }{
		{0x10, 1}, // load
		{0x1e, 2}, // rmw.add
		{0x25, 2}, // rmw.sub
		{0x2c, 2}, // rmw.and
		{0x33, 2}, // rmw.or
		{0x3a, 2}, // rmw.xor
		{0x41, 2}, // rmw.xchg
		{0x48, 3}, // rmw.cmpxchg
	} {
		for i, t := range [7]ValType{I32, I64, I32, I32, I64, I64, I64} {
			op := f.first + byte(i)
			rows = append(rows, shapeRow{op, op, 2, 0, f.pops, t})
		}
	}
	return rows
}
