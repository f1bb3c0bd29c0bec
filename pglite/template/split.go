package template

import (
	"slices"
	"strings"
)

// statement is what psql sends at a time.
type statement struct {
	line int // of its first token, from 1
	sql  string
	copy bool   // COPY … FROM STDIN
	rows string // what follows it
	data int    // the line that they begin on
}

// splitter cuts SQL into statements, by the rules of psql (psqlscan.l): at a
// semicolon that is in no quotes, comment, parentheses or body of a function that
// is BEGIN ATOMIC … END.
type splitter struct {
	file string // for errors
	text string
	at   int
	line int // of at
}

// split cuts text, whose first line is number line of the file.
func split(file, text string, line int) (all []statement, err error) {
	s := &splitter{file: file, text: text, line: line}
	for {
		st, ok, err := s.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			return all, nil
		}
		all = append(all, st)
	}
}

// next is the next statement that is not empty.
func (s *splitter) next() (statement, bool, error) {
	for {
		s.blank()
		switch {
		case s.at == len(s.text):
			return statement{}, false, nil
		case s.text[s.at] == ';':
			s.skip(1)
		case s.text[s.at] == '\\':
			if err := s.command(); err != nil {
				return statement{}, false, err
			}
		default:
			st, err := s.statement()
			return st, err == nil, err
		}
	}
}

// skip goes n bytes on.
func (s *splitter) skip(n int) {
	s.line += strings.Count(s.text[s.at:s.at+n], "\n")
	s.at += n
}

// rest is what has not been read.
func (s *splitter) rest() string { return s.text[s.at:] }

// upTo goes behind the next mark, or to the end.
func (s *splitter) upTo(mark string) {
	n := strings.Index(s.rest(), mark)
	if n < 0 {
		s.skip(len(s.rest()))
		return
	}
	s.skip(n + len(mark))
}

// blank goes over white space and comments.
func (s *splitter) blank() {
	for s.at < len(s.text) {
		switch rest := s.rest(); {
		case strings.IndexByte(" \t\r\n\f\v", rest[0]) >= 0:
			s.skip(1)
		case strings.HasPrefix(rest, "--"):
			s.upTo("\n")
		case strings.HasPrefix(rest, "/*"):
			s.comment()
		default:
			return
		}
	}
}

// comment goes over a comment of C's form, which may hold others.
func (s *splitter) comment() {
	for depth := 0; s.at < len(s.text); {
		switch rest := s.rest(); {
		case strings.HasPrefix(rest, "/*"):
			depth++
			s.skip(2)
		case strings.HasPrefix(rest, "*/"):
			s.skip(2)
			if depth--; depth == 0 {
				return
			}
		default:
			s.skip(1)
		}
	}
}

// command goes over a command of psql's own, if it can be done without.
func (s *splitter) command() error {
	word := strings.Fields(s.rest())[0]
	if word != `\restrict` && word != `\unrestrict` {
		return &Error{File: s.file, Line: s.line, Message: word + " is a command of psql, which only psql can run"}
	}
	s.upTo("\n")
	return nil
}

// statement reads from the first token to the semicolon, and the rows of a COPY.
func (s *splitter) statement() (statement, error) {
	st := statement{line: s.line}
	start, parens := s.at, 0
	var w words
	for s.at < len(s.text) {
		s.blank()
		if s.at == len(s.text) {
			break
		}
		switch c := s.text[s.at]; {
		case c == ';' && parens <= 0 && w.begun == 0:
			st.sql, st.copy = s.text[start:s.at], w.copies()
			s.skip(1)
			if st.copy {
				s.upTo("\n")
				st.data = s.line
				st.rows = s.rows()
			}
			return st, nil
		case c == '\\':
			if err := s.command(); err != nil {
				return st, err
			}
		case c == '(':
			parens++
			s.skip(1)
		case c == ')':
			parens--
			s.skip(1)
		case c == '\'':
			s.quoted('\'', false)
		case c == '"':
			w.add(`"`, parens)
			s.quoted('"', false)
		case c == '$':
			s.dollar()
		case isWord(c):
			word := s.word()
			w.add(word, parens)
			if s.at < len(s.text) && s.text[s.at] == '\'' {
				s.quoted('\'', word == "e")
			}
		default:
			s.skip(1)
		}
	}
	st.sql, st.copy = strings.TrimRight(s.text[start:], " \t\r\n"), w.copies()
	return st, nil
}

// rows takes the lines up to \. and goes behind it.
func (s *splitter) rows() string {
	from := s.at
	for s.at < len(s.text) {
		line, _, _ := strings.Cut(s.rest(), "\n")
		end := s.at
		s.upTo("\n")
		if strings.TrimRight(line, "\r") == `\.` {
			return s.text[from:end]
		}
	}
	return s.text[from:]
}

// quoted goes over what stands in quotes, of which two are one of the content.
func (s *splitter) quoted(quote byte, escapes bool) {
	rest := s.rest()
	n := 1
	for ; n < len(rest); n++ {
		if escapes && rest[n] == '\\' {
			n++
		} else if rest[n] == quote {
			if n+1 == len(rest) || rest[n+1] != quote {
				break
			}
			n++
		}
	}
	s.skip(min(n+1, len(rest)))
}

// dollar goes over $tag$ … $tag$, or over a dollar that begins nothing.
func (s *splitter) dollar() {
	rest := s.rest()
	n := 1
	for n < len(rest) && isWord(rest[n]) && (n > 1 || !isDigit(rest[n])) {
		n++
	}
	if n == len(rest) || rest[n] != '$' {
		s.skip(1)
		return
	}
	s.skip(n + 1)
	s.upTo(rest[:n+1])
}

// word reads an identifier, keyword or number, in lower case.
func (s *splitter) word() string {
	n := 0
	for rest := s.rest(); n < len(rest) && (isWord(rest[n]) || rest[n] == '$'); n++ {
	}
	word := s.text[s.at : s.at+n]
	s.skip(n)
	return strings.ToLower(word)
}

// isWord tells what identifiers and numbers are made of, but for the dollar, of
// which they can't begin. Bytes of UTF-8 sequences are letters.
func isWord(c byte) bool {
	return c == '_' || c >= 0x80 || 'a' <= c|0x20 && c|0x20 <= 'z' || isDigit(c)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// words is what a statement's words tell about its end, and whether it reads
// rows.
type words struct {
	first []string // up to four
	last  string   // at no parentheses
	stdin bool     // FROM STDIN was there
	begun int      // depth of BEGIN … END
}

func (w *words) add(word string, parens int) {
	if len(w.first) < 4 {
		w.first = append(w.first, word)
	}
	if parens != 0 {
		return
	}
	w.stdin = w.stdin || w.last == "from" && word == "stdin"
	w.last = word
	if !w.routine() {
		return
	}
	switch {
	case word == "begin", word == "case" && w.begun > 0:
		w.begun++
	case word == "end" && w.begun > 0:
		w.begun--
	}
}

// routine tells a CREATE [OR REPLACE] FUNCTION or PROCEDURE.
func (w *words) routine() bool {
	f := w.first
	if len(f) > 3 && f[0] == "create" && f[1] == "or" && f[2] == "replace" {
		f = slices.Concat(f[:1], f[3:])
	}
	return len(f) > 1 && f[0] == "create" && (f[1] == "function" || f[1] == "procedure")
}

func (w *words) copies() bool { return w.stdin && w.first[0] == "copy" }
