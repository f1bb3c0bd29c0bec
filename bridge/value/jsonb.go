package value

// maxDepth bounds how deep a jsonb is nested here. Postgres' own bound is its stack,
// and deeper ones are left to it.
const maxDepth = 1 << 14

// A jsonb container is a word with the number of its children and what it is, a word
// per child, the keys of an object first, and then their bytes
// (src/include/utils/jsonb.h).
const (
	jsonbCount  = 0x0fffffff
	jsonbScalar = 0x10000000 // an array that stands for its only child
	jsonbObject = 0x20000000
	jsonbArray  = 0x40000000

	jentryLength = 0x0fffffff
	jentryOffset = 0x80000000 // the length is where the child ends, counted from the first
)

// jentry types, bits 28 to 30 of a child's word.
const (
	jsonbString = iota
	jsonbNumeric
	jsonbFalse
	jsonbTrue
	jsonbNull
	jsonbContainer
)

// appendJSONB writes a jsonb as JsonbToCString does.
func appendJSONB(dst, b []byte) ([]byte, error) { return appendContainer(dst, b, 0) }

func appendContainer(dst, b []byte, depth int) ([]byte, error) {
	if len(b) < 4 {
		return nil, errMalformed
	}
	if depth == maxDepth {
		return nil, ErrNoDecoder
	}
	head := le.Uint32(b)
	n := int(head & jsonbCount)
	children := n
	if head&jsonbObject != 0 {
		children = 2 * n
	}
	if head&(jsonbObject|jsonbArray) == 0 || children > (len(b)-4)/4 || head&jsonbScalar != 0 && n != 1 {
		return nil, errMalformed
	}
	c := container{entries: b[4 : 4+4*children], data: b[4+4*children:]}
	var err error
	switch {
	case head&jsonbScalar != 0:
		return c.append(dst, 0, depth)
	case head&jsonbArray != 0:
		dst = append(dst, '[')
		for k := range n {
			if k > 0 {
				dst = append(dst, ", "...)
			}
			if dst, err = c.append(dst, k, depth); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	}
	// Keys and values stand apart, so two cursors go through them.
	values := c
	if values.at, err = c.offset(n); err != nil {
		return nil, err
	}
	dst = append(dst, '{')
	for k := range n {
		if k > 0 {
			dst = append(dst, ", "...)
		}
		if c.entry(k)>>28&7 != jsonbString {
			return nil, errMalformed
		}
		if dst, err = c.append(dst, k, depth); err != nil {
			return nil, err
		}
		dst = append(dst, ": "...)
		if dst, err = values.append(dst, n+k, depth); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// container goes through the children of one.
type container struct {
	entries, data []byte
	at            int // where the next child begins in data
}

func (c *container) entry(k int) uint32 { return le.Uint32(c.entries[4*k:]) }

// end is where a child that begins at an offset ends.
func (c *container) end(k, at int) (int, error) {
	e := c.entry(k)
	end := int(e & jentryLength)
	if e&jentryOffset == 0 {
		end += at
	}
	if end < at || end > len(c.data) {
		return 0, errMalformed
	}
	return end, nil
}

// offset is where the child with this number begins.
func (c *container) offset(child int) (at int, err error) {
	for k := 0; k < child && err == nil; k++ {
		at, err = c.end(k, at)
	}
	return at, err
}

// append writes the next child, which is the k-th.
func (c *container) append(dst []byte, k, depth int) ([]byte, error) {
	end, err := c.end(k, c.at)
	if err != nil {
		return nil, err
	}
	at := c.at
	c.at = end
	typ := c.entry(k) >> 28 & 7
	if typ == jsonbNumeric || typ == jsonbContainer {
		at = (at + 3) &^ 3
		if at > end {
			return nil, errMalformed
		}
	}
	b := c.data[at:end]
	switch typ {
	case jsonbString:
		return appendJSONString(dst, b), nil
	case jsonbNumeric:
		v, n, err := varlena(b, 0)
		if err != nil || n != len(b) {
			return nil, errMalformed
		}
		return appendNumeric(dst, v)
	case jsonbFalse:
		return append(dst, "false"...), nil
	case jsonbTrue:
		return append(dst, "true"...), nil
	case jsonbNull:
		return append(dst, "null"...), nil
	case jsonbContainer:
		return appendContainer(dst, b, depth+1)
	}
	return nil, errMalformed
}

// appendJSONString quotes a string (escape_json in src/backend/utils/adt/json.c).
func appendJSONString(dst, s []byte) []byte {
	const hexDigits = "0123456789abcdef"
	dst = append(dst, '"')
	plain := 0 // s[plain:] is still to be written
	for k, c := range s {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[plain:k]...)
		plain = k + 1
		switch c {
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '"', '\\':
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(dst, s[plain:]...), '"')
}
