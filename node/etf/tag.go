package etf

import "strconv"

// Tags, by the names and in the order of the OTP document "External Term Format".
// What is not here no node sends to us: ATOM_CACHE_REF needs an atom cache, LOCAL_EXT
// is a node's own, and FUN_EXT is gone since OTP 23.
const (
	compressedExt     = 80  // 131, 80, size u32, zlib stream: the whole of a message only
	smallIntegerExt   = 97  // u8
	integerExt        = 98  // i32
	floatExt          = 99  // 31 characters of "%.20e": minor_version 0
	portExt           = 102 // node, id u32, creation u8
	newPortExt        = 89  // node, id u32, creation u32
	v4PortExt         = 120 // node, id u64, creation u32
	pidExt            = 103 // node, id u32, serial u32, creation u8
	newPIDExt         = 88  // node, id u32, serial u32, creation u32
	smallTupleExt     = 104 // arity u8, elements
	largeTupleExt     = 105 // arity u32, elements
	mapExt            = 116 // arity u32, pairs
	nilExt            = 106 // []
	stringExt         = 107 // length u16, bytes: a list of them
	listExt           = 108 // length u32, elements, tail
	binaryExt         = 109 // length u32, bytes
	smallBigExt       = 110 // n u8, sign u8, n bytes, the lowest first
	largeBigExt       = 111 // n u32, sign u8, n bytes, the lowest first
	referenceExt      = 101 // node, id u32, creation u8
	newReferenceExt   = 114 // words u16, node, creation u8, words u32 each
	newerReferenceExt = 90  // words u16, node, creation u32, words u32 each
	newFunExt         = 112 // size u32 with itself, arity u8, uniq [16]u8, index u32, free u32, module, old index, old uniq, pid, free terms
	exportExt         = 113 // module, function, arity
	bitBinaryExt      = 77  // length u32, bits of the last byte u8, bytes
	newFloatExt       = 70  // IEEE 754, eight bytes
	atomUTF8Ext       = 118 // length u16, UTF-8
	smallAtomUTF8Ext  = 119 // length u8, UTF-8
	atomExt           = 100 // length u16, Latin-1
	smallAtomExt      = 115 // length u8, Latin-1
)

var tagNames = map[byte]string{
	compressedExt: "compressed", smallIntegerExt: "SMALL_INTEGER_EXT", integerExt: "INTEGER_EXT",
	floatExt: "FLOAT_EXT", portExt: "PORT_EXT", newPortExt: "NEW_PORT_EXT", v4PortExt: "V4_PORT_EXT",
	pidExt: "PID_EXT", newPIDExt: "NEW_PID_EXT", smallTupleExt: "SMALL_TUPLE_EXT", largeTupleExt: "LARGE_TUPLE_EXT",
	mapExt: "MAP_EXT", nilExt: "NIL_EXT", stringExt: "STRING_EXT", listExt: "LIST_EXT", binaryExt: "BINARY_EXT",
	smallBigExt: "SMALL_BIG_EXT", largeBigExt: "LARGE_BIG_EXT", referenceExt: "REFERENCE_EXT",
	newReferenceExt: "NEW_REFERENCE_EXT", newerReferenceExt: "NEWER_REFERENCE_EXT", newFunExt: "NEW_FUN_EXT",
	exportExt: "EXPORT_EXT", bitBinaryExt: "BIT_BINARY_EXT", newFloatExt: "NEW_FLOAT_EXT",
	atomUTF8Ext: "ATOM_UTF8_EXT", smallAtomUTF8Ext: "SMALL_ATOM_UTF8_EXT", atomExt: "ATOM_EXT", smallAtomExt: "SMALL_ATOM_EXT",
}

func tagName(tag byte) string {
	if name, ok := tagNames[tag]; ok {
		return strconv.Itoa(int(tag)) + " (" + name + ")"
	}
	return strconv.Itoa(int(tag))
}
