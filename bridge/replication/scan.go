package replication

import (
	"strconv"
	"strings"

	"github.com/howdahdb/howdah/bridge/wal"
)

// nameDataLen is NAMEDATALEN, a name's longest with its terminator.
const nameDataLen = 64

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenKeyword
	tokenName
	tokenString
	tokenNumber
	tokenLSN
	tokenOther // one character
	tokenBad   // what no rule matches, or a quote that does not end
)

// token is one word of a command. text is the keyword as it is written, the name
// or string without its quotes, or the character.
type token struct {
	kind   tokenKind
	text   string
	number uint32
	lsn    wal.LSN
}

// keywords are those of repl_scanner.l, which are written in capitals.
var keywords = map[string]bool{
	"BASE_BACKUP": true, "IDENTIFY_SYSTEM": true, "READ_REPLICATION_SLOT": true, "SHOW": true, "TIMELINE": true,
	"START_REPLICATION": true, "CREATE_REPLICATION_SLOT": true, "DROP_REPLICATION_SLOT": true, "ALTER_REPLICATION_SLOT": true,
	"TIMELINE_HISTORY": true, "PHYSICAL": true, "RESERVE_WAL": true, "LOGICAL": true, "SLOT": true, "TEMPORARY": true,
	"TWO_PHASE": true, "EXPORT_SNAPSHOT": true, "NOEXPORT_SNAPSHOT": true, "USE_SNAPSHOT": true, "WAIT": true, "UPLOAD_MANIFEST": true,
}

// scanner cuts a command into tokens as src/backend/replication/repl_scanner.l
// does.
type scanner struct{ rest string }

func (s *scanner) next() token {
	s.rest = strings.TrimLeft(s.rest, " \t\n\r\f\v")
	if s.rest == "" {
		return token{}
	}
	switch c := s.rest[0]; {
	case c == '\'':
		return s.quoted('\'', tokenString)
	case c == '"':
		t := s.quoted('"', tokenName)
		t.text = truncate(t.text)
		return t
	case isNameStart(c):
		if t, ok := s.position(); ok {
			return t
		}
		return s.word()
	case isDigit(c):
		if t, ok := s.position(); ok {
			return t
		}
		return s.number()
	default:
		s.rest = s.rest[1:]
		return token{kind: tokenOther, text: string(rune(c))}
	}
}

// quoted reads up to the closing quote; two of them stand for one.
func (s *scanner) quoted(quote byte, kind tokenKind) token {
	var b strings.Builder
	for k := 1; k < len(s.rest); k++ {
		if s.rest[k] == quote {
			if k+1 == len(s.rest) || s.rest[k+1] != quote {
				s.rest = s.rest[k+1:]
				return token{kind: kind, text: b.String()}
			}
			k++
		}
		b.WriteByte(s.rest[k])
	}
	s.rest = ""
	return token{kind: tokenBad}
}

func (s *scanner) word() token {
	n := 1
	for n < len(s.rest) && (isNameStart(s.rest[n]) || isDigit(s.rest[n]) || s.rest[n] == '$') {
		n++
	}
	w := s.rest[:n]
	s.rest = s.rest[n:]
	if keywords[w] {
		return token{kind: tokenKeyword, text: w}
	}
	return token{kind: tokenName, text: truncate(lower(w))}
}

// position reads an LSN, if there is one: of all rules it matches the longest.
func (s *scanner) position() (token, bool) {
	hi := hexDigits(s.rest)
	if hi == 0 || hi == len(s.rest) || s.rest[hi] != '/' {
		return token{}, false
	}
	lo := hexDigits(s.rest[hi+1:])
	if lo == 0 {
		return token{}, false
	}
	text := s.rest[:hi+1+lo]
	s.rest = s.rest[len(text):]
	l, err := wal.ParseLSN(text)
	if err != nil {
		return token{kind: tokenBad}, true
	}
	return token{kind: tokenLSN, text: text, lsn: l}, true
}

func (s *scanner) number() token {
	n := 0
	for n < len(s.rest) && isDigit(s.rest[n]) {
		n++
	}
	text := s.rest[:n]
	s.rest = s.rest[n:]
	x, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return token{kind: tokenBad}
	}
	return token{kind: tokenNumber, text: text, number: uint32(x)}
}

func hexDigits(s string) int {
	n := 0
	for n < len(s) && (isDigit(s[n]) || s[n]|0x20 >= 'a' && s[n]|0x20 <= 'f') {
		n++
	}
	return n
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isNameStart(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= 0x80 }

// lower folds ASCII letters only, as downcase_identifier does in a UTF-8 database.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// truncate cuts a name to what Postgres keeps of it, between characters.
func truncate(s string) string {
	if len(s) < nameDataLen {
		return s
	}
	n := nameDataLen - 1
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}
