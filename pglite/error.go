package pglite

import (
	"errors"
	"fmt"

	"github.com/howdahdb/howdah/runtime"
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

func queryCanceled() *Error {
	return &Error{Severity: "ERROR", Code: "57014", Message: "canceling statement due to user request"}
}

func idleTimeout() *Error {
	return fatal("57P05", "terminating connection due to idle-session timeout")
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

// isSQL tells whether an error is one that Postgres has raised.
func isSQL(err error) bool {
	var e *Error
	return errors.As(err, &e)
}

// raise raises an ERROR in the guest, as ereport does: the longjmp out of errfinish
// passes through.
func raise(i *runtime.Instance, state, message, detail string) {
	const levelError = 21 // elog.h
	call := func(name string, args ...uint64) {
		if _, err := i.Call(name, args...); err != nil {
			panic(err)
		}
	}
	text := func(s string) uint64 {
		p, err := i.PushString(s)
		if err != nil {
			panic(err)
		}
		return uint64(p)
	}
	call("errstart", levelError, 0)
	call("errcode", packState(state))
	call("errmsg_internal", text(message), 0)
	if detail != "" {
		call("errdetail_internal", text(detail), 0)
	}
	file := text("howdah")
	call("errfinish", file, 0, file)
}

// packState is MAKE_SQLSTATE of src/include/utils/elog.h: six bits a character.
func packState(state string) (packed uint64) {
	for k := range len(state) {
		packed |= uint64(state[k]-'0') & 0x3f << (6 * k)
	}
	return packed
}
