// Package mark sets marks of a running server in memory, and goes back to them,
// through a connection of a superuser or of whoever was granted EXECUTE on
// howdah_mark, howdah_unmark and howdah_rewind.
package mark

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/howdahdb/howdah/pglite"
)

// Server is one at a URL or keyword/value string, as libpq takes them, environment
// included. Every call makes a connection of its own. Errors are those of
// [pglite.Cluster] where they are about marks.
type Server struct{ URL string }

// Set names the present moment.
func (s Server) Set(ctx context.Context, name string) error { return s.call(ctx, "howdah_mark", name) }

// Drop drops a mark.
func (s Server) Drop(ctx context.Context, name string) error {
	return s.call(ctx, "howdah_unmark", name)
}

// Rewind goes back to a mark, and returns when the server answers.
func (s Server) Rewind(ctx context.Context, name string) error {
	before, err := s.rewinds(ctx)
	if err != nil {
		return err
	}
	const adminShutdown = "57P01"
	if err := s.call(ctx, "howdah_rewind", name); code(err) != adminShutdown {
		return err
	}
	after, err := s.rewinds(ctx)
	if err == nil && after == before {
		err = errors.New("somebody else has ended the session; the server has not gone back")
	}
	return err
}

// List lists the marks, oldest first.
func (s Server) List(ctx context.Context) (all []pglite.Mark, err error) {
	err = s.with(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "select name, taken, bytes, own_bytes from howdah_marks order by taken, name")
		if err == nil {
			all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[pglite.Mark])
		}
		return err
	})
	return all, err
}

func (s Server) rewinds(ctx context.Context) (n float64, err error) {
	err = s.with(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "select value from howdah_stat where name = 'rewinds'").Scan(&n)
	})
	return n, err
}

func (s Server) call(ctx context.Context, function, name string) error {
	return s.with(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "select "+function+"($1)", name)
		return refusal(name, err)
	})
}

func (s Server) with(ctx context.Context, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, s.URL)
	if err != nil && code(err) == "" {
		return fmt.Errorf("no server answers; does one run, and is that its URL? %w", err)
	}
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) // the server may have closed it
	return do(conn)
}

// refusal finds the error that the server could only give as an errno.
func refusal(name string, err error) error {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return err
	}
	why := err
	switch {
	case strings.HasSuffix(e.Message, "Read-only file system"):
		return pglite.ErrOnDirectory
	case strings.HasSuffix(e.Message, "Invalid argument"):
		why = pglite.ErrMarkName
	case e.Code == "58P01": // undefined_file
		why = pglite.ErrNoMark
	case e.Code == "58P02": // duplicate_file
		why = pglite.ErrMarkExists
	case e.Code == "53100": // disk_full
		return pglite.ErrTooManyMarks
	case e.Code == "42883": // undefined_function
		return fmt.Errorf("the database knows no marks: %w", err)
	default:
		return err
	}
	return fmt.Errorf("%w: %q", why, name)
}

func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
