package wasmfile

import (
	"bytes"
	"fmt"
)

type sectionID byte

const (
	secCustom    sectionID = 0
	secType      sectionID = 1
	secImport    sectionID = 2
	secFunc      sectionID = 3
	secTable     sectionID = 4
	secMemory    sectionID = 5
	secGlobal    sectionID = 6
	secExport    sectionID = 7
	secStart     sectionID = 8
	secElement   sectionID = 9
	secCode      sectionID = 10
	secData      sectionID = 11
	secDataCount sectionID = 12
	secTag       sectionID = 13
)

// sections gives names and the order in which sections stand.
var sections = [...]struct {
	name string
	rank int
}{
	secCustom: {"custom", 0}, secType: {"type", 1}, secImport: {"import", 2}, secFunc: {"function", 3},
	secTable: {"table", 4}, secMemory: {"memory", 5}, secTag: {"tag", 6}, secGlobal: {"global", 7},
	secExport: {"export", 8}, secStart: {"start", 9}, secElement: {"element", 10},
	secDataCount: {"data count", 11}, secCode: {"code", 12}, secData: {"data", 13},
}

func (id sectionID) rank() int { return sections[id].rank }

func (id sectionID) String() string { return sections[id].name }

const (
	header   = "\x00asm\x01\x00\x00\x00"
	formFunc = 0x60
)

// section is one section of a binary; content is part of it.
type section struct {
	id      sectionID
	content []byte
	offset  int // of content in the binary
}

func (s section) reader() *reader {
	return &reader{b: s.content, base: s.offset, section: s.id.String()}
}

// splitSections cuts a binary into its sections and checks their order.
func splitSections(b []byte) ([]section, error) {
	r := &reader{b: b, section: "module"}
	if !bytes.HasPrefix(b, []byte(header)) {
		r.failf("not a WebAssembly binary of version 1")
		return nil, r.err
	}
	r.pos = len(header)
	var out []section
	last := 0
	for !r.done() {
		id := sectionID(r.byte())
		if int(id) >= len(sections) {
			r.failf("unknown section %d", id)
			break
		}
		if id != secCustom {
			if id.rank() <= last {
				r.failf("%s section is repeated or out of order", id)
				break
			}
			last = id.rank()
		}
		size := r.u32()
		offset := r.pos
		out = append(out, section{id: id, offset: offset, content: r.take(size)})
	}
	if r.err != nil {
		return nil, r.err
	}
	return out, nil
}

// end reports the error of a section's reader, or that bytes are left over.
func (r *reader) end() error {
	if r.err == nil && !r.done() {
		r.fail(fmt.Errorf("%d bytes left over", r.left()))
	}
	return r.err
}
