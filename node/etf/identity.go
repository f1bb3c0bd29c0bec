package etf

import "encoding/binary"

// Identities of processes, ports and references come with a creation of a byte from
// nodes before OTP 23 and from old files. Only two bits of that count, and OTP refuses
// others. The number means the same in 32 bits.

// creation reads one of the width that the term's tag has.
func (d *decoder) creation() (uint32, error) {
	switch d.tag {
	case pidExt, portExt, referenceExt, newReferenceExt:
		v, err := d.uint8()
		if err == nil && v > 3 {
			return 0, d.fail("creation %d", v)
		}
		return uint32(v), err
	}
	return d.uint32()
}

func (d *decoder) pid() (p PID, err error) {
	if p.Node, err = d.atom(); err != nil {
		return p, err
	}
	if p.ID, err = d.uint32(); err != nil {
		return p, err
	}
	if p.Serial, err = d.uint32(); err != nil {
		return p, err
	}
	p.Creation, err = d.creation()
	return p, err
}

func (d *decoder) port() (p Port, err error) {
	if p.Node, err = d.atom(); err != nil {
		return p, err
	}
	if d.tag == v4PortExt {
		b, err := d.take(8)
		if err != nil {
			return p, err
		}
		p.ID = binary.BigEndian.Uint64(b)
	} else {
		id, err := d.uint32()
		if err != nil {
			return p, err
		}
		p.ID = uint64(id)
	}
	p.Creation, err = d.creation()
	return p, err
}

func (d *decoder) ref() (r Ref, err error) {
	words := uint16(1)
	if d.tag != referenceExt {
		if words, err = d.uint16(); err != nil {
			return r, err
		}
		if words == 0 || words > maxRef {
			return r, d.fail("%d words", words)
		}
	}
	r.Len = uint8(words)
	if r.Node, err = d.atom(); err != nil {
		return r, err
	}
	// REFERENCE_EXT has its word before the creation, the others after.
	if d.tag == referenceExt {
		if r.Words[0], err = d.uint32(); err != nil {
			return r, err
		}
		r.Creation, err = d.creation()
		return r, err
	}
	if r.Creation, err = d.creation(); err != nil {
		return r, err
	}
	for k := range words {
		if r.Words[k], err = d.uint32(); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (d *decoder) export() (e Export, err error) {
	if e.Module, err = d.atom(); err != nil {
		return e, err
	}
	if e.Function, err = d.atom(); err != nil {
		return e, err
	}
	arity, err := d.inside()
	if err != nil {
		return e, err
	}
	n, ok := arity.(int64)
	if !ok || n < 0 || n > 255 {
		return e, d.fail("arity %v", arity)
	}
	e.Arity = uint8(n)
	return e, nil
}

// inside reads a term that is part of this one.
func (d *decoder) inside() (Term, error) {
	at, tag := d.at, d.tag
	t, err := d.term()
	if err == nil {
		d.at, d.tag = at, tag
	}
	return t, err
}

// fun checks what is in a fun, and keeps it as it is.
func (d *decoder) fun() (Fun, error) {
	start := d.at
	size, err := d.uint32()
	if err != nil {
		return nil, err
	}
	const fixed = 4 + 1 + 16 + 4 + 4
	if size < fixed {
		return nil, d.fail("size %d", size)
	}
	if uint64(size-4) > uint64(d.left()) {
		return nil, d.fail("needs %d bytes of %d", size-4, d.left())
	}
	end := d.off + int(size-4)
	in := *d
	in.b, in.claimed = d.b[:end], 0
	if err := in.funBody(); err != nil {
		return nil, err
	}
	if in.off != end {
		return nil, d.fail("size %d, and %d bytes of it in use", size, int(size)-(end-in.off))
	}
	d.off = end
	return Fun(d.b[start:end:end]), nil
}

func (d *decoder) funBody() error {
	if _, err := d.take(1 + 16 + 4); err != nil { // arity, uniq, index
		return err
	}
	free, err := d.uint32()
	if err != nil {
		return err
	}
	if _, err := d.atom(); err != nil {
		return err
	}
	for range 2 { // old index and old uniq
		t, err := d.inside()
		if err != nil {
			return err
		}
		if _, ok := t.(int64); !ok {
			return d.fail("old index or uniq is not a small integer")
		}
	}
	t, err := d.inside()
	if err != nil {
		return err
	}
	if _, ok := t.(PID); !ok {
		return d.fail("the creator is not a pid")
	}
	if err := d.claim(uint64(free)); err != nil {
		return err
	}
	for range free {
		if _, err := d.claimedTerm(); err != nil {
			return err
		}
	}
	return nil
}
