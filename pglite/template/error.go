package template

import (
	"fmt"
	"strings"
)

// Error says where a source is wrong: a statement that Postgres has refused, or
// a line that can't be understood.
type Error struct {
	File string
	Line int // from 1

	// Of the server's answer. Code is the SQLSTATE, empty when it was not asked.
	Code, Message, Detail, Hint string
	// Statement is the beginning of what it was asked.
	Statement string
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message)
	if e.Code != "" {
		s += fmt.Sprintf(" (SQLSTATE %s)", e.Code)
	}
	for _, more := range [...]string{e.Detail, e.Hint} {
		if more != "" {
			s += "; " + more
		}
	}
	if e.Statement != "" {
		s += "; in: " + e.Statement
	}
	return s
}

// beginning is as much of a statement as fits in a line.
func beginning(sql string) string {
	const most = 80
	runes := []rune(strings.Join(strings.Fields(sql), " "))
	if len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return string(runes)
}
