package etf_test

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"

	"github.com/howdahdb/howdah/node/etf"
)

// generator makes terms that have a text in Erlang.
type generator struct{ *rand.Rand }

func (g generator) term(depth int) etf.Term {
	kinds := 12
	if depth == 0 {
		kinds = 7
	}
	switch g.IntN(kinds) {
	case 0:
		return int64(g.Uint64()) >> g.IntN(64)
	case 1:
		v := new(big.Int).Lsh(big.NewInt(1+g.Int64N(1000)), uint(g.IntN(3000)))
		if g.IntN(2) == 0 {
			v.Neg(v)
		}
		return v.Add(v, big.NewInt(g.Int64N(3)-1))
	case 2:
		for {
			if v := math.Float64frombits(g.Uint64()); !math.IsNaN(v) && !math.IsInf(v, 0) {
				return v
			}
		}
	case 3:
		return etf.Atom(g.text(20))
	case 4:
		return []byte(g.text(40))
	case 5:
		b := etf.Bitstring{Bytes: make([]byte, 1+g.IntN(5)), Bits: uint8(1 + g.IntN(7))}
		for k := range b.Bytes {
			b.Bytes[k] = byte(g.Uint32())
		}
		b.Bytes[len(b.Bytes)-1] &= 0xff << (8 - b.Bits)
		return b
	case 6:
		l := make(etf.List, g.IntN(30))
		for k := range l {
			l[k] = g.Int64N(256)
		}
		return l
	case 7:
		return etf.Tuple(g.terms(depth, 0))
	case 8:
		return etf.List(g.terms(depth, 0))
	case 9:
		tail := g.term(0)
		if _, ok := tail.(etf.List); ok {
			tail = int64(1)
		}
		return etf.ImproperList{Elems: g.terms(depth, 1), Tail: tail}
	case 10:
		return etf.Export{Module: etf.Atom(g.text(5)), Function: etf.Atom(g.text(5)), Arity: uint8(g.IntN(256))}
	default:
		var m etf.Map
		for _, key := range g.terms(depth, 0) {
			if _, there := m.Get(key); !there {
				m = append(m, etf.Entry(key, g.term(depth-1)))
			}
		}
		return m
	}
}

func (g generator) terms(depth, least int) []etf.Term {
	ts := make([]etf.Term, least+g.IntN(6))
	for k := range ts {
		ts[k] = g.term(depth - 1)
	}
	return ts
}

func (g generator) text(most int) string {
	runes := make([]rune, g.IntN(most))
	for k := range runes {
		switch g.IntN(4) {
		case 0:
			runes[k] = rune(1 + g.IntN(255))
		case 1:
			runes[k] = rune(0x10000 + g.IntN(0xffff))
		default:
			runes[k] = rune('a' + g.IntN(26))
		}
	}
	return string(runes)
}

// appendErlang appends a term as Erlang's own text.
func appendErlang(dst []byte, t etf.Term) []byte {
	sequence := func(open string, ts []etf.Term, end string) {
		dst = append(dst, open...)
		for k, e := range ts {
			if k > 0 {
				dst = append(dst, ',')
			}
			dst = appendErlang(dst, e)
		}
		dst = append(dst, end...)
	}
	bits := func(b []byte, last uint8) {
		dst = append(dst, "<<"...)
		for k, c := range b {
			if k > 0 {
				dst = append(dst, ',')
			}
			if last != 0 && k == len(b)-1 {
				dst = fmt.Appendf(dst, "%d:%d", c>>(8-last), last)
			} else {
				dst = strconv.AppendInt(dst, int64(c), 10)
			}
		}
		dst = append(dst, ">>"...)
	}
	switch t := t.(type) {
	case int64, *big.Int:
		return fmt.Appendf(dst, "%d", t)
	case float64:
		return fmt.Appendf(dst, "%.17e", t)
	case etf.Atom:
		dst = append(dst, '\'')
		for _, r := range string(t) {
			dst = fmt.Appendf(dst, `\x{%X}`, r)
		}
		return append(dst, '\'')
	case []byte:
		bits(t, 0)
	case etf.Bitstring:
		bits(t.Bytes, t.Bits)
	case etf.Tuple:
		sequence("{", t, "}")
	case etf.List:
		sequence("[", t, "]")
	case etf.ImproperList:
		sequence("[", t.Elems, "|")
		sequence("", []etf.Term{t.Tail}, "]")
	case etf.Export:
		dst = appendErlang(append(dst, "fun "...), t.Module)
		dst = appendErlang(append(dst, ':'), t.Function)
		dst = fmt.Appendf(dst, "/%d", t.Arity)
	case etf.Map:
		dst = append(dst, "#{"...)
		for k, p := range t {
			if k > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendErlang(dst, p.Key), "=>"...)
			dst = appendErlang(dst, p.Value)
		}
		dst = append(dst, '}')
	default:
		panic(fmt.Sprintf("no text for %T", t))
	}
	return dst
}
