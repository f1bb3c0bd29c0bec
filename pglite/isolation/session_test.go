package isolation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// A session is one connection of a permutation. While a step runs, its fields
// belong to the goroutine of exec; receiving from done gives them back.
type session struct {
	name  string
	conn  *pgconn.PgConn
	names func(pid string) string // of the session with this process id

	said  []string // the lines that the current step adds to the transcript
	heard []string // notifications that are not in the transcript yet

	running *step         // nil: idle
	done    chan struct{} // closed when running has ended
	waits   bool          // the transcript says that running waits
}

func connect(ctx context.Context, addr string, spec sessionSpec, names func(string) string) (*session, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	// No password file or variable of the tester's has a say.
	cfg, err := pgconn.ParseConfig("sslmode=disable passfile=/dev/null host=" + host + " port=" + port)
	if err != nil {
		return nil, err
	}
	s := &session{name: spec.name, names: names}
	cfg.User, cfg.Database = "postgres", database
	cfg.RuntimeParams = map[string]string{"application_name": spec.name}
	for key, value := range spec.startup {
		switch key {
		case "user":
			cfg.User = value
		case "database":
			cfg.Database = value
		default:
			cfg.RuntimeParams[key] = value
		}
	}
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { s.said = append(s.said, s.report((*pgconn.PgError)(n))...) }
	cfg.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) {
		s.heard = append(s.heard, fmt.Sprintf("%s hears %s %q from %s",
			s.name, n.Channel, n.Payload, names(strconv.FormatUint(uint64(n.PID), 10))))
	}
	s.conn, err = pgconn.ConnectConfig(ctx, cfg)
	return s, err
}

// start sends a step.
func (s *session) start(ctx context.Context, st *step, sql string) {
	s.running, s.done, s.waits = st, make(chan struct{}), false
	go func() {
		defer close(s.done)
		s.exec(ctx, sql)
	}()
}

// exec runs one Query message and notes all that comes back.
func (s *session) exec(ctx context.Context, sql string) {
	results := s.conn.Exec(ctx, sql)
	for results.NextResult() {
		r := results.ResultReader()
		if fields := r.FieldDescriptions(); len(fields) > 0 {
			header := make([]string, len(fields))
			for i, f := range fields {
				header[i] = f.Name
			}
			s.said = append(s.said, strings.Join(header, " | "))
		}
		for r.NextRow() {
			row := make([]string, len(r.Values()))
			for i, v := range r.Values() {
				row[i] = "null"
				if v != nil {
					row[i] = string(v)
				}
			}
			s.said = append(s.said, strings.Join(row, " | "))
		}
		if tag, err := r.Close(); err == nil {
			s.said = append(s.said, tag.String())
		}
	}
	if err := results.Close(); err != nil {
		s.said = append(s.said, s.failure(err)...)
	}
}

// failure are the lines of an error of the server's, or of the connection's end.
func (s *session) failure(err error) []string {
	if e := (*pgconn.PgError)(nil); errors.As(err, &e) {
		return s.report(e)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return []string{"the server has hung up"}
	}
	return []string{err.Error()}
}

func (s *session) report(e *pgconn.PgError) []string {
	out := []string{fmt.Sprintf("%s: %s: %s", e.Severity, e.Code, s.mask(e.Message))}
	if e.Detail != "" {
		out = append(out, strings.Split("DETAIL: "+s.mask(e.Detail), "\n")...)
	}
	if e.Hint != "" {
		out = append(out, "HINT: "+e.Hint)
	}
	return out
}

// What differs from run to run in messages: processes and transactions of a
// deadlock (DeadLockReport in src/backend/storage/lmgr/deadlock.c), and OIDs.
var (
	processes   = regexp.MustCompile(`\b([Pp]rocess) (\d+)`)
	identifiers = regexp.MustCompile(`\b(transaction|relation|database|OID:?) \d+(/\d+)?`)
	namespaces  = regexp.MustCompile(`(namespace\)=\(.*, )\d+\)`)
)

func (s *session) mask(text string) string {
	text = processes.ReplaceAllStringFunc(text, func(p string) string {
		word, pid, _ := strings.Cut(p, " ")
		return word + " " + s.names(pid)
	})
	text = identifiers.ReplaceAllString(text, "$1 …")
	return namespaces.ReplaceAllString(text, "$1…)")
}

// terminate is the Terminate message.
var terminate = []byte{'X', 0, 0, 0, 4}

// end leaves as clients do, and returns when the server has hung up: then the
// session's locks and snapshots are gone.
func (s *session) end() error {
	if s.conn.IsClosed() {
		return nil
	}
	h, err := s.conn.Hijack()
	if err != nil {
		return err
	}
	if _, err := h.Conn.Write(terminate); err == nil {
		_, _ = io.Copy(io.Discard, h.Conn) // a reset is an end, too
	}
	return h.Conn.Close()
}

// leave drops the connection as a client does whose process has died.
func (s *session) leave() error {
	if s.running != nil {
		return errors.New("in the middle of a step")
	}
	h, err := s.conn.Hijack()
	if err != nil {
		return err
	}
	return h.Conn.Close()
}
