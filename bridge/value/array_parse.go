package value

import (
	"math"
	"strconv"
	"strings"
)

// parseArray reads what array_out writes.
func parseArray(t *Type, text string) (any, error) {
	if t.vector() {
		return parseVector(t.element(), text)
	}
	p := arrayParser{elem: t.Elem, delim: delimiter(t.Elem)}
	var bounds []Dim
	rest := text
	for strings.HasPrefix(rest, "[") {
		d, after, err := parseDim(rest)
		if err != nil || len(bounds) == maxDims {
			return nil, errSyntax
		}
		bounds, rest = append(bounds, d), after
	}
	if bounds != nil {
		if !strings.HasPrefix(rest, "=") {
			return nil, errSyntax
		}
		rest = rest[1:]
	}
	if rest == "{}" && bounds == nil {
		return &Array{}, nil
	}
	p.rest = rest
	if err := p.level(0); err != nil {
		return nil, err
	}
	if p.rest != "" {
		return nil, errSyntax
	}
	a := &Array{Dims: make([]Dim, len(p.lengths)), Elements: p.elements}
	for k, n := range p.lengths {
		a.Dims[k] = Dim{n, 1}
		if bounds != nil {
			if len(bounds) != len(p.lengths) || bounds[k].Length != n {
				return nil, errSyntax
			}
			a.Dims[k].Lower = bounds[k].Lower
		}
	}
	return a, nil
}

// parseDim reads [lower:upper].
func parseDim(s string) (Dim, string, error) {
	lower, after, ok1 := strings.Cut(s[1:], ":")
	upper, rest, ok2 := strings.Cut(after, "]")
	l, err1 := strconv.ParseInt(lower, 10, 32)
	u, err2 := strconv.ParseInt(upper, 10, 32)
	if !ok1 || !ok2 || err1 != nil || err2 != nil || u < l || u-l >= math.MaxInt32 {
		return Dim{}, "", errSyntax
	}
	return Dim{int32(u - l + 1), int32(l)}, rest, nil
}

// arrayParser reads nested braces. The first element tells how deep elements are, and
// the first of each level how long the others of that level have to be.
type arrayParser struct {
	elem     *Type
	delim    byte
	rest     string
	lengths  []int32
	depth    int // of the elements, 0 before the first
	elements []any
}

// level reads one pair of braces, with depth others around it.
func (p *arrayParser) level(depth int) error {
	if depth == maxDims || !p.take('{') || p.depth > 0 && depth >= p.depth {
		return errSyntax
	}
	if depth == len(p.lengths) {
		p.lengths = append(p.lengths, 0)
	}
	known := p.lengths[depth]
	n := int32(0)
	for {
		if strings.HasPrefix(p.rest, "{") {
			if err := p.level(depth + 1); err != nil {
				return err
			}
		} else {
			if p.depth == 0 {
				p.depth = depth + 1
			}
			if p.depth != depth+1 {
				return errSyntax
			}
			v, err := p.element()
			if err != nil {
				return err
			}
			p.elements = append(p.elements, v)
		}
		n++
		if p.take('}') {
			break
		}
		if !p.take(p.delim) {
			return errSyntax
		}
	}
	if known != 0 && known != n {
		return errSyntax
	}
	p.lengths[depth] = n
	return nil
}

func (p *arrayParser) take(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *arrayParser) element() (any, error) {
	if strings.HasPrefix(p.rest, `"`) {
		text, rest, ok := unquote(p.rest)
		if !ok {
			return nil, errSyntax
		}
		p.rest = rest
		return parse(p.elem, text)
	}
	end := 0
	for end < len(p.rest) && p.rest[end] != p.delim && p.rest[end] != '}' {
		if c := p.rest[end]; c == '"' || c == '{' || c == '\\' {
			return nil, errSyntax
		}
		end++
	}
	text := p.rest[:end]
	p.rest = p.rest[end:]
	switch text {
	case "":
		return nil, errSyntax
	case "NULL":
		return nil, nil
	}
	return parse(p.elem, text)
}

// unquote takes a string in quotes off s. Inside, a backslash makes the next byte
// plain, and two quotes are one.
func unquote(s string) (text, rest string, ok bool) {
	plain := true
	for k := 1; k < len(s); k++ {
		switch s[k] {
		case '\\':
			plain = false
			k++
		case '"':
			if k+1 < len(s) && s[k+1] == '"' {
				plain = false
				k++
				continue
			}
			if plain {
				return s[1:k], s[k+1:], true
			}
			return unescape(s[1:k]), s[k+1:], true
		}
	}
	return "", "", false
}

func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for k := 0; k < len(s); k++ {
		if s[k] == '\\' || s[k] == '"' {
			k++
		}
		b = append(b, s[k])
	}
	return string(b)
}

// parseVector reads an int2vector or oidvector.
func parseVector(elem *Type, text string) (any, error) {
	fields := strings.Fields(text)
	a := &Array{Dims: []Dim{{int32(len(fields)), 0}}, Elements: make([]any, len(fields))}
	for k, f := range fields {
		v, err := parse(elem, f)
		if err != nil {
			return nil, err
		}
		a.Elements[k] = v
	}
	return a, nil
}
