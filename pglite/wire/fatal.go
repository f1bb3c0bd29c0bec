package wire

import (
	"errors"
	"fmt"

	"github.com/howdahdb/howdah/pglite"
	"github.com/jackc/pgx/v5/pgproto3"
)

// fatal makes the error that ends a connection with an ErrorResponse.
func fatal(code, format string, args ...any) *pglite.Error {
	return &pglite.Error{Severity: "FATAL", Code: code, Message: fmt.Sprintf(format, args...)}
}

// withDetail sets the detail of an error that is being made.
func withDetail(err *pglite.Error, format string, args ...any) *pglite.Error {
	err.Detail = fmt.Sprintf(format, args...)
	return err
}

// appendFatal appends what the client is told about err. An error that says
// nothing to a client — a broken connection, a packet of absurd length — appends
// nothing: the connection is just closed, as Postgres does (COMMERROR).
func appendFatal(dst []byte, err error) []byte {
	var old *unsupportedProtocolError
	if errors.As(err, &old) {
		if old.version>>16 < 3 {
			// The error format of protocol 2, without a length
			// (send_message_to_frontend in elog.c).
			return append(append(append(dst, "EFATAL:  "...), old.Error()...), '\n', 0)
		}
		err = fatal("0A000", "%s", old.Error())
	}
	var pg *pglite.Error
	if !errors.As(err, &pg) {
		return dst
	}
	out, encodeErr := (&pgproto3.ErrorResponse{
		Severity:            "FATAL",
		SeverityUnlocalized: "FATAL",
		Code:                pg.Code,
		Message:             pg.Message,
		Detail:              pg.Detail,
		Hint:                pg.Hint,
	}).Encode(dst)
	if encodeErr != nil { // a message of a gigabyte
		return dst
	}
	return out
}
