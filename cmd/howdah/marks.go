package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// serverFlag is the server that a command speaks to.
type serverFlag struct {
	URL string `env:"DATABASE_URL" required:"" placeholder:"URL" help:"The server, for a superuser: postgres://… Within howdah run there is no need to say."`
}

// markArg is the mark that a command is about.
type markArg struct {
	Name string `arg:"" help:"The mark."`
	serverFlag
}

type markCmd struct{ markArg }

func (markCmd) Help() string {
	return `A mark names the present moment of a server in memory. Going back to it is as a
recovery from a crash at that moment: what was committed is there, what was not
is rolled back, and unlogged tables are empty. It costs the memory of what
changes afterwards; the marks of a server end with it.

In SQL: select howdah_mark('clean'), howdah_rewind, howdah_unmark, and the view
howdah_marks. On a directory, save a snapshot instead.

Examples:

    howdah mark --url postgres://postgres@127.0.0.1:5432/postgres clean
    howdah run -- sh -c 'psql -f seed.sql; howdah mark clean; ./tests'
`
}

func (c *markCmd) Run() error {
	return c.markArg.call("howdah_mark")
}

type unmarkCmd struct{ markArg }

func (c *unmarkCmd) Run() error { return c.markArg.call("howdah_unmark") }

type rewindCmd struct{ markArg }

func (rewindCmd) Help() string {
	return `All sessions end with FATAL 57P01, and what was done since the mark is gone.
Clients may connect again at once, to the same address. Marks stay, later ones
too.

Examples:

    howdah rewind --url postgres://postgres@127.0.0.1:5432/postgres clean
`
}

func (c *rewindCmd) Run() error {
	ctx, stop := untilSignal(context.Background())
	defer stop()
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	before, err := rewinds(ctx, conn)
	if err == nil {
		_, err = conn.Exec(ctx, "select howdah_rewind($1)", c.Name)
	}
	_ = conn.Close(context.WithoutCancel(ctx)) // it has ended by itself
	const adminShutdown = "57P01"
	if e := (*pgconn.PgError)(nil); !errors.As(err, &e) || e.Code != adminShutdown {
		return c.explain(err)
	}
	if conn, err = c.connect(ctx); err != nil {
		return err
	}
	after, err := rewinds(ctx, conn)
	if err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))); err != nil {
		return err
	}
	if after == before {
		return errors.New("somebody else has ended the session; the server has not gone back")
	}
	return nil
}

func rewinds(ctx context.Context, conn *pgx.Conn) (n float64, err error) {
	err = conn.QueryRow(ctx, "select value from howdah_stat where name = 'rewinds'").Scan(&n)
	return n, err
}

type marksCmd struct{ serverFlag }

func (marksCmd) Help() string {
	return `SIZE is the memory of the mark's files, most of it shared with the server and
other marks; OWN is what becomes free when this one is dropped (howdah unmark).
`
}

func (c *marksCmd) Run() error {
	ctx, stop := untilSignal(context.Background())
	defer stop()
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, "select name, taken, bytes, own_bytes from howdah_marks order by taken, name")
	if err != nil {
		return err
	}
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tTAKEN\tSIZE\tOWN")
	var name string
	var taken time.Time
	var bytes, own int64
	if _, err := pgx.ForEachRow(rows, []any{&name, &taken, &bytes, &own}, func() error {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", name, taken.Local().Format(time.DateTime), megabytes(bytes), megabytes(own))
		return nil
	}); err != nil {
		return err
	}
	w.Flush() // to a builder
	fmt.Print(out.String())
	return nil
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// call has the server run a function on the mark.
func (a *markArg) call(function string) error {
	ctx, stop := untilSignal(context.Background())
	defer stop()
	conn, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, "select "+function+"($1)", a.Name)
	return a.explain(err)
}

func (f *serverFlag) connect(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, f.URL)
	if err != nil {
		return nil, usageError{err}
	}
	return conn, nil
}

// explain says in the words of this command what the server has refused, which it
// can only say by an errno.
func (a *markArg) explain(err error) error {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case strings.Contains(e.Message, "Read-only file system"):
		return usagef("the server is on a directory, and only one in memory can go back: use howdah snapshot save and load")
	case strings.Contains(e.Message, "Invalid argument"):
		return usagef("the name of a mark is up to 63 letters, digits, '_', '.' and '-', and begins with one of the first three")
	case e.Code == "58P01": // undefined_file
		return usagef("there is no mark %q; howdah marks lists them", a.Name)
	case e.Code == "58P02": // duplicate_file
		return usagef("there is a mark %q already; howdah unmark drops it", a.Name)
	case e.Code == "53100": // disk_full
		return usagef("there are as many marks as a server can have; howdah unmark drops one")
	case e.Code == "42883": // undefined_function
		return usagef("the database comes from a version that knows no marks, or is of no howdah")
	}
	return usageError{err}
}
