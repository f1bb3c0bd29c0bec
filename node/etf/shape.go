package etf

import "unicode/utf8"

// Tagged tells whether a term is a tuple of an arity whose first element is an atom,
// as messages mostly are: Tagged(t, "$gen_call", 3).
func Tagged(t Term, tag Atom, arity int) (Tuple, bool) {
	tuple, ok := t.(Tuple)
	if !ok || len(tuple) != arity || arity == 0 {
		return nil, false
	}
	if a, ok := tuple[0].(Atom); !ok || a != tag {
		return nil, false
	}
	return tuple, true
}

// Get gives the value of a key. It looks at one pair after the other.
func (m Map) Get(key Term) (Term, bool) {
	for _, p := range m {
		if Equal(p.Key, key) {
			return p.Value, true
		}
	}
	return nil, false
}

// Keyword makes a keyword list, [{Key, Value}, …].
func Keyword(pairs ...Pair) List {
	l := make(List, len(pairs))
	for k, p := range pairs {
		l[k] = Tuple{p.Key, p.Value}
	}
	return l
}

// Get gives the value that a keyword or property list has for a key: that of the
// first {key, value}, or the atom true where there is the key alone
// (proplists:get_value).
func (l List) Get(key Atom) (Term, bool) {
	for _, t := range l {
		switch t := t.(type) {
		case Atom:
			if t == key {
				return Atom("true"), true
			}
		case Tuple:
			if len(t) == 2 && t[0] == Term(key) {
				return t[1], true
			}
		}
	}
	return nil, false
}

// Text gives the text of a binary, or of chardata: code points and binaries of UTF-8
// in lists of any depth (unicode:characters_to_binary). An atom is not a text.
func Text(t Term) (string, bool) {
	switch v := t.(type) {
	case []byte:
		return string(v), utf8.Valid(v)
	case string:
		return v, utf8.ValidString(v)
	case List, ImproperList:
		text, ok := appendText(nil, t, MaxDepth)
		return string(text), ok
	}
	return "", false
}

func appendText(dst []byte, t Term, depth int) ([]byte, bool) {
	if depth == 0 {
		return dst, false
	}
	ok := true
	switch v := t.(type) {
	case []byte:
		return append(dst, v...), utf8.Valid(v)
	case string:
		return append(dst, v...), utf8.ValidString(v)
	case List:
		for _, e := range v {
			if dst, ok = appendText(dst, e, depth-1); !ok {
				return dst, false
			}
		}
		return dst, true
	case ImproperList:
		if dst, ok = appendText(dst, List(v.Elems), depth-1); !ok {
			return dst, false
		}
		switch v.Tail.(type) {
		case []byte, string: // a binary may be a tail, a code point may not
			return appendText(dst, v.Tail, depth-1)
		}
		return dst, false
	}
	small, large, ok := integer(t)
	if !ok || large != nil || small < 0 || small > utf8.MaxRune || !utf8.ValidRune(rune(small)) {
		return dst, false
	}
	return utf8.AppendRune(dst, rune(small)), true
}
