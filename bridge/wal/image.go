package wal

import (
	"fmt"

	"github.com/howdahdb/howdah/bridge/pglz"
)

// Method says how an image is compressed.
type Method uint8

const (
	Plain Method = iota
	PGLZ
	LZ4
	Zstd
)

func (m Method) String() string { return [...]string{"plain", "pglz", "lz4", "zstd"}[m&3] }

const (
	// BKPIMAGE_…
	imageHasHole = 1
	imageApply   = 2
	imagePGLZ    = 4
	imageLZ4     = 8
	imageZstd    = 16
)

// Image is a page as it was after the record, without the hole of zeros that most
// pages have between their line pointers and their rows.
type Image struct {
	Bytes      []byte // compressed by Method
	Hole       uint16 // where the hole begins in the page; 0 without a hole
	HoleLength uint16
	Info       uint8 // BKPIMAGE_…

	size int // of Bytes
}

// Apply is whether redo puts the page in place; else it is there for
// wal_consistency_checking.
func (i *Image) Apply() bool { return i.Info&imageApply != 0 }

// Method is how Bytes are compressed.
func (i *Image) Method() Method {
	switch {
	case i.Info&imagePGLZ != 0:
		return PGLZ
	case i.Info&imageLZ4 != 0:
		return LZ4
	case i.Info&imageZstd != 0:
		return Zstd
	}
	return Plain
}

// read takes an image's header. Its rules are those of DecodeXLogRecord.
func (i *Image) read(f *fragments) {
	i.size = int(f.u16())
	i.Hole = f.u16()
	i.Info = f.u8()
	hole := i.Info&imageHasHole != 0
	switch {
	case i.size > PageSize:
		f.fail("page image of %d bytes", i.size)
	case i.Method() == Plain:
		i.HoleLength = uint16(PageSize - i.size)
	case hole:
		i.HoleLength = f.u16()
	}
	if hole != (i.Hole != 0 && i.HoleLength != 0) || !hole && i.Hole|i.HoleLength != 0 ||
		int(i.Hole)+int(i.HoleLength) > PageSize || i.size == 0 ||
		i.Method() != Plain && i.size == PageSize {
		f.fail("page image of %d bytes, info %02X, with a hole of %d at %d", i.size, i.Info, i.HoleLength, i.Hole)
	}
}

// Restore writes the page to p (RestoreBlockImage in xlogreader.c). Images in lz4
// and zstd, which a server writes only if it was built with these, it refuses;
// PGlite has pglz alone.
func (i *Image) Restore(p *[PageSize]byte) error {
	whole := i.Bytes
	switch m := i.Method(); m {
	case Plain:
	case PGLZ:
		// Into the end of p, from where the parts move to their places: what is in
		// front of the hole moves down, and what is behind it is there already.
		b := p[i.HoleLength:]
		if err := pglz.Decompress(b, i.Bytes); err != nil {
			return fmt.Errorf("wal: page image: %w", err)
		}
		whole = b
	default:
		return fmt.Errorf("wal: page image is compressed with %v", m)
	}
	hole, behind := int(i.Hole), int(i.Hole)+int(i.HoleLength)
	if len(whole) != PageSize-int(i.HoleLength) {
		return fmt.Errorf("wal: page image has %d bytes beside a hole of %d", len(whole), i.HoleLength)
	}
	copy(p[:hole], whole)
	copy(p[behind:], whole[hole:])
	clear(p[hole:behind])
	return nil
}
