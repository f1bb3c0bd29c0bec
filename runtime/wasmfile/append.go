package wasmfile

import "encoding/binary"

func appendU32(b []byte, x uint32) []byte { return binary.AppendUvarint(b, uint64(x)) }

func appendI32(b []byte, x int32) []byte {
	for {
		c := byte(x & 0x7f)
		x >>= 7
		if x == 0 && c&0x40 == 0 || x == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func appendName(b []byte, s string) []byte {
	return append(appendU32(b, uint32(len(s))), s...)
}

// appendSized puts the length of p in front of it.
func appendSized(b, p []byte) []byte {
	return append(appendU32(b, uint32(len(p))), p...)
}

func appendSection(b []byte, id sectionID, content []byte) []byte {
	return appendSized(append(b, byte(id)), content)
}

func appendSig(b []byte, s Sig) []byte {
	b = appendSized(append(b, formFunc), s.Params)
	return appendSized(b, s.Results)
}

func appendLimits(b []byte, l Limits) []byte {
	var flags byte
	if l.HasMax {
		flags |= 1
	}
	if l.Shared {
		flags |= 2
	}
	b = appendU32(append(b, flags), l.Min)
	if l.HasMax {
		b = appendU32(b, l.Max)
	}
	return b
}
