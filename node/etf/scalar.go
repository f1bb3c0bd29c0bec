package etf

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/big"
	"slices"
	"strconv"
	"unicode/utf8"
)

// knownAtoms are atoms that messages are full of, ready as terms.
var knownAtoms = func() map[string]Term {
	known := map[string]Term{}
	for _, a := range []Atom{
		"", "ok", "error", "true", "false", "nil", "undefined", "normal", "noproc", "alias",
		"$gen_call", "$gen_cast", "$gen_producer", "$gen_consumer", "nonode@nohost",
	} {
		known[string(a)] = a
	}
	return known
}()

// atom reads a term that has to be an atom, such as a node's name.
func (d *decoder) atom() (Atom, error) {
	at, tag := d.at, d.tag
	if err := d.begin(); err != nil {
		return "", err
	}
	switch d.tag {
	case smallAtomUTF8Ext, atomUTF8Ext, smallAtomExt, atomExt:
	default:
		return "", d.fail("not an atom")
	}
	p, err := d.atomText()
	if err != nil {
		return "", err
	}
	d.at, d.tag = at, tag
	if known, ok := knownAtoms[string(p)]; ok {
		return known.(Atom), nil
	}
	return Atom(p), nil
}

// atomText reads an atom's text after its tag, as UTF-8.
func (d *decoder) atomText() ([]byte, error) {
	var n int
	if d.tag == smallAtomUTF8Ext || d.tag == smallAtomExt {
		v, err := d.uint8()
		if err != nil {
			return nil, err
		}
		n = int(v)
	} else {
		v, err := d.uint16()
		if err != nil {
			return nil, err
		}
		n = int(v)
	}
	p, err := d.take(n)
	if err != nil {
		return nil, err
	}
	if d.tag == smallAtomExt || d.tag == atomExt {
		if n > maxAtom {
			return nil, d.fail("%d characters", n)
		}
		return fromLatin1(p), nil
	}
	if !utf8.Valid(p) {
		return nil, d.fail("not UTF-8")
	}
	if n > maxAtom && utf8.RuneCount(p) > maxAtom {
		return nil, d.fail("%d characters", utf8.RuneCount(p))
	}
	return p, nil
}

func fromLatin1(p []byte) []byte {
	if !slices.ContainsFunc(p, func(c byte) bool { return c >= utf8.RuneSelf }) {
		return p
	}
	text := make([]byte, 0, 2*len(p))
	for _, c := range p {
		text = utf8.AppendRune(text, rune(c))
	}
	return text
}

// big reads a SMALL_BIG_EXT or LARGE_BIG_EXT. Other systems than OTP may have more
// digits than needed.
func (d *decoder) big() (Term, error) {
	n, err := d.arity(d.tag == smallBigExt)
	if err != nil {
		return nil, err
	}
	sign, err := d.uint8()
	if err != nil {
		return nil, err
	}
	if sign > 1 {
		return nil, d.fail("sign %d", sign)
	}
	p, err := d.takeLong(n)
	if err != nil {
		return nil, err
	}
	for len(p) > 0 && p[len(p)-1] == 0 {
		p = p[:len(p)-1]
	}
	if len(p) > maxBig {
		return nil, d.fail("integer of %d bytes", len(p))
	}
	if len(p) <= 8 {
		var u uint64
		for k, c := range p {
			u |= uint64(c) << (8 * k)
		}
		switch {
		case sign == 0 && u < 1<<63:
			return int64(u), nil
		case sign == 1 && u <= 1<<63:
			return -int64(u), nil
		}
	}
	p = slices.Clone(p)
	slices.Reverse(p)
	v := new(big.Int).SetBytes(p)
	if sign == 1 {
		v.Neg(v)
	}
	return v, nil
}

// newFloat reads what OTP takes: floats in Erlang are finite.
func (d *decoder) newFloat() (Term, error) {
	p, err := d.take(8)
	if err != nil {
		return nil, err
	}
	v := math.Float64frombits(binary.BigEndian.Uint64(p))
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil, d.fail("%v is not an Erlang float", v)
	}
	return v, nil
}

// float reads a FLOAT_EXT, what sprintf("%.20e") gave, filled up with zero bytes.
func (d *decoder) float() (Term, error) {
	p, err := d.take(31)
	if err != nil {
		return nil, err
	}
	text, _, _ := bytes.Cut(p, []byte{0})
	if len(bytes.TrimLeft(text, "+-.0123456789eE")) != 0 {
		return nil, d.fail("%q is not a decimal float", text)
	}
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return nil, d.fail("%q is not a decimal float", text)
	}
	return v, nil
}

// cleared gives p with zeros for what is beyond the last byte's bits.
func cleared(p []byte, bits uint8) []byte {
	last := len(p) - 1
	mask := byte(0xff) << (8 - bits)
	if p[last]&^mask == 0 {
		return p
	}
	p = slices.Clone(p)
	p[last] &= mask
	return p
}
