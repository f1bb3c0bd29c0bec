package pglite

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/rs/zerolog"
)

// logPrefix is log_line_prefix of every backend: the SQLSTATE and the pid, so
// that a line of Postgres' log can be read back.
const logPrefix = "[%e %p] "

// logLine takes apart one line that begins an entry:
//
//	[SQLSTATE pid] LEVEL:  text
var logLine = regexp.MustCompile(`^\[([0-9A-Z]{5}) (\d+)\] ([A-Z0-9]+):  ?(.*)$`)

// logWriter turns what a backend writes to stderr into log events. Postgres
// writes an entry (message, DETAIL, HINT, STATEMENT, …) with one write(2), and
// continues lines with a tab. It is used by the goroutine that runs the
// backend.
type logWriter struct {
	log zerolog.Logger
	// fatal is the last FATAL or PANIC entry, for whoever waits for a boot.
	fatal *Error
}

// write takes one write to stderr.
func (w *logWriter) write(b []byte) {
	var cur *logEntry
	for line := range bytes.Lines(b) {
		s := strings.TrimRight(string(line), "\r\n")
		m := logLine.FindStringSubmatch(s)
		switch {
		case m != nil && cur != nil && cur.takes(m[3]):
			cur.field(m[3], m[4])
		case m != nil:
			w.emit(cur)
			cur = &logEntry{code: m[1], pid: m[2], level: m[3], text: m[4]}
		case cur != nil && strings.HasPrefix(s, "\t"):
			cur.more(s[1:])
		case s != "":
			w.emit(cur)
			cur = nil
			w.quiet([]byte(s))
		}
	}
	w.emit(cur)
}

// quiet takes what is of interest only to somebody who looks for an error: the
// prompts of a single-user backend, the log of initdb's.
func (w *logWriter) quiet(b []byte) {
	if s := strings.TrimSpace(string(b)); s != "" {
		w.log.Debug().Str("source", "postgres").Msg(s)
	}
}

// logEntry is one ereport.
type logEntry struct {
	code, pid, level, text string
	keys, vals             []string
}

// entryFields are the levels that continue an entry, with their names as
// fields (send_message_to_server_log in src/backend/utils/error/elog.c).
var entryFields = map[string]string{
	"DETAIL": "detail", "HINT": "hint", "QUERY": "query", "CONTEXT": "context",
	"LOCATION": "location", "BACKTRACE": "backtrace", "STATEMENT": "statement",
}

func (e *logEntry) takes(level string) bool { return entryFields[level] != "" }

func (e *logEntry) field(level, text string) {
	e.keys = append(e.keys, entryFields[level])
	e.vals = append(e.vals, text)
}

// more continues the last line.
func (e *logEntry) more(s string) {
	if n := len(e.vals); n > 0 {
		e.vals[n-1] += "\n" + s
		return
	}
	e.text += "\n" + s
}

func (e *logEntry) get(key string) string {
	for k, name := range e.keys {
		if name == key {
			return e.vals[k]
		}
	}
	return ""
}

// zerologLevel maps Postgres' levels (elog.h).
func zerologLevel(level string) zerolog.Level {
	switch level {
	case "DEBUG", "DEBUG1", "DEBUG2", "DEBUG3", "DEBUG4", "DEBUG5":
		return zerolog.DebugLevel
	case "WARNING":
		return zerolog.WarnLevel
	case "ERROR", "FATAL", "PANIC":
		return zerolog.ErrorLevel
	}
	return zerolog.InfoLevel
}

func (w *logWriter) emit(e *logEntry) {
	if e == nil {
		return
	}
	if e.level == "FATAL" || e.level == "PANIC" {
		w.fatal = &Error{Severity: e.level, Code: e.code, Message: e.text, Detail: e.get("detail"), Hint: e.get("hint")}
	}
	ev := w.log.WithLevel(zerologLevel(e.level)).Str("level_pg", e.level).Str("pid", e.pid)
	if e.code != "00000" {
		ev = ev.Str("sqlstate", e.code)
	}
	for k, name := range e.keys {
		ev = ev.Str(name, e.vals[k])
	}
	ev.Msg(e.text)
}
