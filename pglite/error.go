package pglite

import (
	"errors"
	"fmt"
)

// Error is an error that a client sees, with the fields of an ErrorResponse
// (https://www.postgresql.org/docs/18/protocol-error-fields.html).
type Error struct {
	Severity string // ERROR, FATAL or PANIC
	Code     string // SQLSTATE
	Message  string
	Detail   string
	Hint     string
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s: %s (SQLSTATE %s)", e.Severity, e.Message, e.Code)
	if e.Detail != "" {
		s += "; " + e.Detail
	}
	return s
}

func fatal(code, format string, args ...any) *Error {
	return &Error{Severity: "FATAL", Code: code, Message: fmt.Sprintf(format, args...)}
}

var (
	// ErrClosed is returned by methods of a cluster that has been closed.
	ErrClosed = errors.New("pglite: the cluster is closed")
	// ErrLocked is returned by Open for a directory that another process
	// holds.
	ErrLocked = errors.New("pglite: the data directory is in use by another process")
	// ErrNotCluster is returned by Open for a directory that holds something
	// else than a cluster of this build. Nothing in it was touched.
	ErrNotCluster = errors.New("pglite: not a data directory of this build")
)

// Frontend errors end as FATAL messages that Postgres would send itself.
func adminShutdown() *Error {
	return fatal("57P01", "terminating connection due to administrator command")
}

func crashShutdown() *Error {
	e := fatal("57P02", "terminating connection because of a crash of the server")
	e.Severity = "FATAL"
	e.Detail = "The cluster has stopped; the log says why."
	return e
}

// encode gives the ErrorResponse message.
func (e *Error) encode() []byte {
	b := []byte{'E', 0, 0, 0, 0}
	for _, f := range [...]struct {
		key byte
		val string
	}{{'S', e.Severity}, {'V', e.Severity}, {'C', e.Code}, {'M', e.Message}, {'D', e.Detail}, {'H', e.Hint}} {
		if f.val != "" {
			b = append(b, f.key)
			b = append(b, f.val...)
			b = append(b, 0)
		}
	}
	return seal(append(b, 0))
}
