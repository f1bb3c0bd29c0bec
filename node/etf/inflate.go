package etf

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxRatio is above how much a byte of a deflate stream can stand for: 258 bytes
// take two bits (RFC 1951).
const maxRatio = 1032

// inflate reads what term_to_binary(T, [compressed]) gives: 131, 80, the size of the
// term without its version byte as a u32, and the term as a zlib stream.
func (l Limits) inflate(b []byte) (Term, []byte, error) {
	fail := func(format string, args ...any) (Term, []byte, error) {
		return nil, nil, &Error{Offset: 1, Tag: compressedExt, Why: fmt.Sprintf(format, args...)}
	}
	if len(b) < 6 {
		return fail("needs 4 bytes of %d", len(b)-2)
	}
	size := binary.BigEndian.Uint32(b[2:])
	limit := l.Inflated
	if limit <= 0 {
		limit = defaultInflated
	}
	if uint64(size) > uint64(limit) {
		return fail("%d bytes inflated, the limit is %d", size, limit)
	}
	stream := bytes.NewReader(b[6:])
	if uint64(size) > uint64(len(b))*maxRatio {
		return fail("%d bytes out of %d", size, stream.Len())
	}
	z, err := zlib.NewReader(stream) // reads byte by byte, so not beyond the stream's end
	if err != nil {
		return fail("%v", err)
	}
	term := make([]byte, size)
	if _, err := io.ReadFull(z, term); err != nil {
		return fail("not the %d bytes it should be: %v", size, err)
	}
	// The end of the stream has to be seen for its checksum to be compared.
	if n, err := z.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		return fail("more than the %d bytes it should be, or a wrong checksum", size)
	}
	t, rest, err := l.decode(term, 0)
	if err != nil {
		if e := (*Error)(nil); errors.As(err, &e) {
			e.Inflated = true
		}
		return nil, nil, err
	}
	if len(rest) != 0 {
		return fail("%d bytes after the inflated term", len(rest))
	}
	return t, b[len(b)-stream.Len():], nil
}
