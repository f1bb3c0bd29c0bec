package wal

import (
	"errors"
	"fmt"
)

// The first byte of each fragment header: a block's number, or one of these.
const (
	maxBlockID = 32 // XLR_MAX_BLOCK_ID

	fragmentTopXID    = 252
	fragmentOrigin    = 253
	fragmentDataLong  = 254
	fragmentDataShort = 255

	// The second byte of a block's, BKPBLOCK_….
	blockForkMask = 0x0f
	blockHasImage = 0x10
	blockHasData  = 0x20
	blockWillInit = 0x40
	blockSameRel  = 0x80
)

var errShort = errors.New("fragment headers run past the end of the record")

// fragments reads the fragment headers of a record. After an error all reads give
// zeros and the error stays.
type fragments struct {
	rest []byte
	data uint64 // how much of rest the headers so far lay claim to, as data
	err  error
}

func (f *fragments) take(n int) []byte {
	if f.err == nil && n > len(f.rest) {
		f.err = errShort
	}
	if f.err != nil {
		return zeros[:n]
	}
	b := f.rest[:n]
	f.rest = f.rest[n:]
	return b
}

// zeros is what reads past an error give; the longest is of a Relation.
var zeros [12]byte

func (f *fragments) u8() uint8   { return f.take(1)[0] }
func (f *fragments) u16() uint16 { return le.Uint16(f.take(2)) }
func (f *fragments) u32() uint32 { return le.Uint32(f.take(4)) }

func (f *fragments) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf(format, args...)
	}
}

// decode takes what follows the header of a record, b (DecodeXLogRecord). Any
// bytes are allowed.
func (r *Record) decode(b []byte) error {
	f := fragments{rest: b}
	data := 0
	// The main data's header is the last one; without main data there is none, and
	// the headers end where the data that they speak of begins.
headers:
	for f.err == nil && uint64(len(f.rest)) > f.data {
		switch id := f.u8(); {
		case id <= maxBlockID:
			r.readBlock(&f, id)
		case id == fragmentTopXID:
			r.TopXID = f.u32()
		case id == fragmentOrigin:
			r.Origin = f.u16()
		case id == fragmentDataLong:
			size := f.u32()
			f.data, data = f.data+uint64(size), int(size)
			break headers
		case id == fragmentDataShort:
			data = int(f.u8())
			f.data += uint64(data)
			break headers
		default:
			f.fail("fragment %d", id)
		}
	}
	if f.err == nil && uint64(len(f.rest)) != f.data {
		f.fail("%d bytes of data, not %d", len(f.rest), f.data)
	}
	if f.err != nil {
		return f.err
	}
	rest := f.rest
	for i := range r.Blocks {
		k := &r.Blocks[i]
		if k.image.size != 0 {
			k.Image = &k.image
			k.image.Bytes, rest = cut(rest, k.image.size)
		}
		if k.size != 0 {
			k.Data, rest = cut(rest, k.size)
		}
	}
	if data != 0 {
		r.Data = rest
	}
	return nil
}

func cut(b []byte, n int) (head, tail []byte) { return b[:n:n], b[n:] }

// readBlock takes a block's header, behind its number.
func (r *Record) readBlock(f *fragments, id uint8) {
	n := len(r.Blocks)
	if n > 0 && id <= r.Blocks[n-1].ID {
		f.fail("block %d after %d", id, r.Blocks[n-1].ID)
		return
	}
	flags := f.u8()
	k := Block{ID: id, Fork: Fork(flags & blockForkMask), WillInit: flags&blockWillInit != 0, size: int(f.u16())}
	if (flags&blockHasData != 0) != (k.size != 0) {
		f.fail("block %d: flags %02X and %d bytes of data", id, flags, k.size)
	}
	f.data += uint64(k.size)
	if flags&blockHasImage != 0 {
		k.image.read(f)
		f.data += uint64(k.image.size)
	}
	switch {
	case flags&blockSameRel == 0:
		b := f.take(12)
		k.Relation = Relation{le.Uint32(b), le.Uint32(b[4:]), le.Uint32(b[8:])}
	case n > 0:
		k.Relation = r.Blocks[n-1].Relation
	default:
		f.fail("block %d is of the same relation as the one before, and there is none", id)
	}
	k.Number = f.u32()
	r.Blocks = append(r.Blocks, k)
}
