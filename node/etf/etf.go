// Package etf reads and writes Erlang's external term format, in which nodes of a
// cluster send each other terms.
//
// The format is that of the OTP document "External Term Format" (ERTS user's guide,
// erl_ext_dist): a version byte, 131, and a term, which is a tag byte and what the
// tag says. Names of tags here are the document's. Everything that OTP 25 to 28 sends
// to a node without an atom cache is read, and what is written are the bytes that
// term_to_binary/2 with {minor_version, 2} gives. Maps keep the order that they have.
//
// # Terms in Go
//
//	Erlang                 decoded          encoded besides
//	integer                int64, *big.Int  int, int8 … uint64
//	float                  float64          float32
//	atom                   Atom             bool; nil, which is Elixir's nil
//	binary                 []byte           string
//	bitstring              Bitstring
//	tuple                  Tuple
//	list, charlist         List
//	improper list          ImproperList
//	map                    Map
//	pid, port, reference   PID, Port, Ref
//	fun, fun M:F/A         Fun, Export
//
// Any other value, and one that no Erlang system could hold (NaN, an atom of 256
// characters, two equal keys of a map), is an error when it is encoded.
//
// # Input from others
//
// Decoding does not trust its input: a count is checked against the bytes that are
// left, less those that enclosing terms still need, so memory is at most a constant
// times the input (Limits); recursion has a bound; nothing panics. Bytes of binaries,
// bitstrings and funs are the input's own: whoever wants to use the buffer again has
// to copy them first.
package etf

import "math/big"

// Term is any value of the table above.
type Term = any

// Atom is an atom's text, at most 255 characters. A BEAM never forgets an atom, so
// what comes from users goes as a binary.
type Atom string

// Tuple is a tuple, of any arity.
type Tuple []Term

// List is a proper list. A charlist is a List of integers.
type List []Term

// ImproperList is [Elems… | Tail], with at least one element. Decoding gives one only
// where Tail is not a list itself.
type ImproperList struct {
	Elems []Term
	Tail  Term
}

// Bitstring is a bitstring whose size is no multiple of eight: Bits, 1 to 7, are how
// many of the last byte count, from its highest. Decoding clears the others.
type Bitstring struct {
	Bytes []byte
	Bits  uint8
}

// Map is a map as a sequence of pairs: keys may be any terms, so no Go map can hold
// them. Of two pairs neither has the other's key.
type Map []Pair

// Pair is an association of a map, or one of a keyword list.
type Pair struct{ Key, Value Term }

// Entry makes a Pair.
func Entry(key, value Term) Pair { return Pair{Key: key, Value: value} }

// PID names a process. Two are the same process when they are ==.
type PID struct {
	Node                 Atom
	ID, Serial, Creation uint32
}

// Port names a port.
type Port struct {
	Node     Atom
	ID       uint64
	Creation uint32
}

// Ref is a reference of Len words, 1 to 5; those beyond are zero, so that == works.
type Ref struct {
	Node     Atom
	Creation uint32
	Len      uint8
	Words    [5]uint32
}

// Fun is a fun with its environment, as the bytes it came in, tag first: nobody but
// a node that has its module can call it.
type Fun []byte

// Export is fun Module:Function/Arity.
type Export struct {
	Module, Function Atom
	Arity            uint8
}

const (
	// version begins every term that is not part of another.
	version = 131
	// maxAtom is MAX_ATOM_CHARACTERS (erts/emulator/beam/atom.h).
	maxAtom = 255
	// maxRef is ERTS_MAX_REF_NUMBERS (erts/emulator/beam/erl_term.h).
	maxRef = 5
	// maxBig is how many bytes an integer of OTP 25 can have, the longest of all: more
	// are a system_limit (words of eight, erts/emulator/beam/big.h).
	maxBig = (1<<19 - 1) * 8
)

// integer gives the value of an integer of any of Go's types, as an int64 or, where
// that is too small, as a big.Int.
func integer(t Term) (small int64, large *big.Int, ok bool) {
	switch v := t.(type) {
	case int64:
		return v, nil, true
	case int:
		return int64(v), nil, true
	case int32:
		return int64(v), nil, true
	case int16:
		return int64(v), nil, true
	case int8:
		return int64(v), nil, true
	case uint8:
		return int64(v), nil, true
	case uint16:
		return int64(v), nil, true
	case uint32:
		return int64(v), nil, true
	case uint:
		return fromUint64(uint64(v))
	case uint64:
		return fromUint64(v)
	case *big.Int:
		if v == nil {
			return 0, nil, false
		}
		if v.IsInt64() {
			return v.Int64(), nil, true
		}
		return 0, v, true
	}
	return 0, nil, false
}

func fromUint64(v uint64) (int64, *big.Int, bool) {
	if int64(v) >= 0 {
		return int64(v), nil, true
	}
	return 0, new(big.Int).SetUint64(v), true
}
