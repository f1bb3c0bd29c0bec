package value

import "encoding/binary"

// AppendBinary appends what the send function of t writes of v, which is what Decode
// or Parse gave for t: the binary format of COPY, results and the replication
// protocol. It appends nothing and tells false if that is not known here; text
// does then.
func AppendBinary(dst []byte, t *Type, v any) ([]byte, bool) {
	if t.Kind == DomainKind {
		return AppendBinary(dst, t.Elem, v)
	}
	be := binary.BigEndian
	switch v := v.(type) {
	case int64:
		switch t.OID {
		case oidInt2:
			return be.AppendUint16(dst, uint16(v)), true
		case oidInt8:
			return be.AppendUint64(dst, uint64(v)), true
		}
		return be.AppendUint32(dst, uint32(v)), true
	case []byte:
		return append(dst, v...), true
	}
	return dst, false
}
