package value

import "strconv"

// appendTSVector writes a tsvector as tsvectorout does (src/include/tsearch/ts_type.h):
//
//	number of lexemes (4 bytes) · for each whether it has positions (1 bit), its length
//	(11 bits) and place (20 bits) · lexemes, each with its positions after it, aligned
//	to 2: their number (2 bytes), and each with 2 bits of weight and 14 of position
func appendTSVector(dst, b []byte) ([]byte, error) {
	if len(b) < 4 {
		return nil, errMalformed
	}
	n := int(le.Uint32(b))
	if n > (len(b)-4)/4 {
		return nil, errMalformed
	}
	entries, data := b[4:4+4*n], b[4+4*n:]
	for k := range n {
		entry := le.Uint32(entries[4*k:])
		length, at := int(entry>>1&0x7ff), int(entry>>12)
		if at+length > len(data) {
			return nil, errMalformed
		}
		if k > 0 {
			dst = append(dst, ' ')
		}
		dst = appendLexeme(dst, data[at:at+length])
		if entry&1 == 0 {
			continue
		}
		at = (at + length + 1) &^ 1
		if at+2 > len(data) {
			return nil, errMalformed
		}
		positions := data[at+2:]
		count := int(le.Uint16(data[at:]))
		if count > len(positions)/2 {
			return nil, errMalformed
		}
		for i := range count {
			separator := byte(',')
			if i == 0 {
				separator = ':'
			}
			p := le.Uint16(positions[2*i:])
			dst = strconv.AppendUint(append(dst, separator), uint64(p&0x3fff), 10)
			if weight := p >> 14; weight > 0 {
				dst = append(dst, " CBA"[weight])
			}
		}
	}
	return dst, nil
}

func appendLexeme(dst, s []byte) []byte {
	dst = append(dst, '\'')
	for _, c := range s {
		if c == '\'' || c == '\\' {
			dst = append(dst, c)
		}
		dst = append(dst, c)
	}
	return append(dst, '\'')
}

// Operators of a tsquery, from 1, and how tightly they bind.
const (
	queryNot = iota + 1
	queryAnd
	queryOr
	queryPhrase
)

var queryPriority = [...]int{queryNot: 4, queryAnd: 2, queryOr: 1, queryPhrase: 3}

// appendTSQuery writes a tsquery as tsqueryout does (src/include/tsearch/ts_type.h):
// the number of items (4 bytes), the items, which are 12 bytes each, and the lexemes,
// which end in NUL. An item is
//
//	1 · weights (1 byte) · whether a prefix matches (1) · – (1) · checksum (4) ·
//	length (12 bits) and place (20 bits) of the lexeme
//	2 · operator (1 byte) · distance (2) · how far on the left operand is (4) · – (4)
//
// and an operator is followed by its right operand and then by its left one.
func appendTSQuery(dst, b []byte) ([]byte, error) {
	if len(b) < 4 {
		return nil, errMalformed
	}
	n := int(le.Uint32(b))
	if n > (len(b)-4)/12 {
		return nil, errMalformed
	}
	if n == 0 {
		return dst, nil
	}
	q := query{items: b[4 : 4+12*n], lexemes: b[4+12*n:]}
	return q.append(dst, 0, n, 0, false, 0)
}

type query struct{ items, lexemes []byte }

// append writes the operand that is the items from one to before another (infix in
// src/backend/utils/adt/tsquery.c).
func (q *query) append(dst []byte, from, to, outer int, rightOfPhrase bool, depth int) ([]byte, error) {
	if from >= to {
		return nil, errMalformed
	}
	if depth == maxDepth {
		return nil, ErrNoDecoder
	}
	item := q.items[12*from:]
	if item[0] == 1 {
		if to != from+1 {
			return nil, errMalformed
		}
		return q.operand(dst, item)
	}
	op := int(item[1])
	if item[0] != 2 || op < queryNot || op > queryPhrase {
		return nil, errMalformed
	}
	priority := queryPriority[op]
	parentheses := priority < outer || op == queryPhrase && rightOfPhrase
	if parentheses {
		dst = append(dst, "( "...)
	}
	var err error
	if op == queryNot {
		dst, err = q.append(append(dst, '!'), from+1, to, priority, false, depth+1)
	} else {
		dst, err = q.infix(dst, from, to, op, depth)
	}
	if err != nil {
		return nil, err
	}
	if parentheses {
		dst = append(dst, " )"...)
	}
	return dst, nil
}

// infix writes the left operand, the operator and the right operand.
func (q *query) infix(dst []byte, from, to, op, depth int) ([]byte, error) {
	item := q.items[12*from:]
	far := le.Uint32(item[4:])
	if far >= uint32(to-from) {
		return nil, errMalformed
	}
	left, priority := from+int(far), queryPriority[op]
	dst, err := q.append(dst, left, to, priority, false, depth+1)
	if err != nil {
		return nil, err
	}
	switch distance := int16(le.Uint16(item[2:])); {
	case op == queryAnd:
		dst = append(dst, " & "...)
	case op == queryOr:
		dst = append(dst, " | "...)
	case distance == 1:
		dst = append(dst, " <-> "...)
	default:
		dst = append(strconv.AppendInt(append(dst, " <"...), int64(distance), 10), "> "...)
	}
	return q.append(dst, from+1, left, priority, op == queryPhrase, depth+1)
}

func (q *query) operand(dst, item []byte) ([]byte, error) {
	place := le.Uint32(item[8:])
	length, at := int(place&0xfff), int(place>>12)
	if at+length > len(q.lexemes) {
		return nil, errMalformed
	}
	dst = appendLexeme(dst, q.lexemes[at:at+length])
	weights, prefix := item[1], item[2] != 0
	if weights == 0 && !prefix {
		return dst, nil
	}
	dst = append(dst, ':')
	if prefix {
		dst = append(dst, '*')
	}
	for bit := 3; bit >= 0; bit-- {
		if weights>>bit&1 == 1 {
			dst = append(dst, "DCBA"[bit])
		}
	}
	return dst, nil
}
