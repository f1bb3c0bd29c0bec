package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/howdahdb/howdah/pglite/mark"
)

// serverFlag is the server that a command speaks to.
type serverFlag struct {
	URL string `env:"DATABASE_URL" required:"" placeholder:"URL" help:"The server, for a superuser: postgres://… Within howdah run there is no need to say."`
}

func (f serverFlag) server() mark.Server { return mark.Server{URL: f.URL} }

// markArg is the mark that a command is about.
type markArg struct {
	Name string `arg:"" help:"The mark."`
	serverFlag
}

// apply does something with the mark. What fails is the user's to correct.
func (a *markArg) apply(do func(ctx context.Context, name string) error) error {
	ctx, stop := untilSignal(context.Background())
	defer stop()
	if err := do(ctx, a.Name); err != nil {
		return usageError{err}
	}
	return nil
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

func (c *markCmd) Run() error { return c.apply(c.server().Set) }

type unmarkCmd struct{ markArg }

func (c *unmarkCmd) Run() error { return c.apply(c.server().Drop) }

type rewindCmd struct{ markArg }

func (rewindCmd) Help() string {
	return `All sessions end with FATAL 57P01, and what was done since the mark is gone.
Clients may connect again at once, to the same address. Marks stay, later ones
too.

Examples:

    howdah rewind --url postgres://postgres@127.0.0.1:5432/postgres clean
`
}

func (c *rewindCmd) Run() error { return c.apply(c.server().Rewind) }

type marksCmd struct{ serverFlag }

func (marksCmd) Help() string {
	return `SIZE is the memory of the mark's files, most of it shared with the server and
other marks; OWN is what becomes free when this one is dropped (howdah unmark).
`
}

func (c *marksCmd) Run() error {
	ctx, stop := untilSignal(context.Background())
	defer stop()
	all, err := c.server().List(ctx)
	if err != nil {
		return usageError{err}
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tTAKEN\tSIZE\tOWN")
	for _, m := range all {
		fmt.Fprintf(w, "%s\t%s\t%.1f MB\t%.1f MB\n", m.Name, m.Taken.Local().Format(time.DateTime), float64(m.Bytes)/1e6, float64(m.OwnBytes)/1e6)
	}
	return w.Flush()
}
