package oracle_test

import (
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// values reads "value… [-> format]".
func (p *parser) values(s string) (v [][]byte, f, results []int16) {
	results = formats("text")
	for s != "" && p.err == nil {
		tag := ""
		if len(s) > 1 && s[1] == '\'' {
			tag, s = s[:1], s[1:]
		}
		quoted := s[0] == '\''
		var w string
		w, s = word(s)
		switch {
		case !quoted && w == "->":
			w, s = word(s)
			results = formats(w)
		case !quoted && w == "null":
			v, f = append(v, nil), append(f, pgproto3.TextFormat)
		case tag == "x":
			v, f = append(v, p.hex(w)), append(f, pgproto3.BinaryFormat)
		case tag == "t":
			v, f = append(v, p.hex(w)), append(f, pgproto3.TextFormat)
		case quoted:
			v, f = append(v, []byte(w)), append(f, pgproto3.TextFormat)
		default:
			p.fail("%q is no value", w)
		}
	}
	return v, f, results
}

// word cuts the first word off s; 'a b' and "" are single words.
func word(s string) (first, rest string) {
	s = strings.TrimLeft(s, " ")
	if s == "" {
		return "", ""
	}
	if s[0] != '\'' {
		first, rest, _ = strings.Cut(s, " ")
		if first == `""` {
			first = ""
		}
		return first, strings.TrimLeft(rest, " ")
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '\'' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		return b.String(), strings.TrimLeft(s[i+1:], " ")
	}
	return b.String(), ""
}

func isOIDs(s string) bool {
	return s != "" && strings.Trim(s, "0123456789,") == ""
}

// rawBytes is a message that is already encoded, or that no encoder would make.
type rawBytes []byte

func (r rawBytes) Frontend()                         {}
func (r rawBytes) Decode([]byte) error               { return nil }
func (r rawBytes) Encode(dst []byte) ([]byte, error) { return append(dst, r...), nil }
