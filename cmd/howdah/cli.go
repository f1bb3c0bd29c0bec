package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/howdahdb/howdah/pglite"
)

const (
	exitFailure = 1
	exitUsage   = 2
)

// cli is the command line: a field per command, whose Run method kong calls.
type cli struct {
	Serve    serveCmd    `cmd:"" help:"Serve a database until SIGINT or SIGTERM."`
	Run      runCmd      `cmd:"" help:"Run a command with a throw-away database."`
	Fork     forkCmd     `cmd:"" help:"Serve a copy of a running server."`
	Tail     tailCmd     `cmd:"" help:"Print what is committed, as it is."`
	Mark     markCmd     `cmd:"" help:"Name this moment of a server in memory."`
	Rewind   rewindCmd   `cmd:"" help:"Take a server back to a mark."`
	Marks    marksCmd    `cmd:"" help:"List a server's marks and what they cost."`
	Unmark   unmarkCmd   `cmd:"" help:"Drop a mark."`
	Snapshot snapshotCmd `cmd:"" help:"Save, load and inspect copies of databases."`
	Fetch    fetchCmd    `cmd:"" help:"Fetch the PGlite artifact, for use offline."`
	Version  versionCmd  `cmd:"" help:"Print versions."`
	Embed    embedCmd    `cmd:"" hidden:"" help:"Fill the folder that a release build embeds."`
}

const description = `PostgreSQL in one binary.`

const examples = `Examples:

    howdah serve                        # in memory, lost at exit
    howdah serve --data-dir ./data      # durable
    howdah run -- go test ./...         # a database for one command
`

// usageError is a mistake in the command or in what it points at. It is found
// before anything is changed.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// childExit carries the exit status of the command that `howdah run` ran.
type childExit struct{ status int }

func (e childExit) Error() string { return fmt.Sprintf("exit status %d", e.status) }

// printHelp is kong's, apart from the usage line of run: kong would put the
// flags behind the command that they have to precede.
func printHelp(o kong.HelpOptions, ctx *kong.Context) error {
	if s := ctx.Selected(); s != nil && s.Name == "run" {
		o.NoAppSummary = true
		fmt.Fprintln(ctx.Stdout, "Usage: howdah run [flags] -- <command> ...")
	}
	return kong.DefaultHelpPrinter(o, ctx)
}

// ignoreEmptyVariables makes a variable that is set to nothing the same as one
// that is not set, which is what files of services and containers mean by it.
func ignoreEmptyVariables() {
	for _, entry := range os.Environ() {
		if name, value, _ := strings.Cut(entry, "="); (strings.HasPrefix(name, "HOWDAH_") || name == "DATABASE_URL") && value == "" {
			os.Unsetenv(name)
		}
	}
}

// execute runs one command line and returns the process's exit status.
func execute(args []string) int {
	ignoreEmptyVariables()
	parser, err := kong.New(&cli{},
		kong.Name("howdah"),
		kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 80, FlagsLast: true}),
		kong.TypeMapper(reflect.TypeFor[pglite.Setting](), kong.MapperFunc(decodeSetting)),
		kong.Help(printHelp),
		kong.PostBuild(func(k *kong.Kong) error { k.Model.Detail = examples; return nil }),
	)
	if err != nil {
		return report(err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		return report(usageError{err})
	}
	return report(ctx.Run())
}

// report prints err as one line and returns the exit status that it stands for.
func report(err error) int {
	var child childExit
	if err == nil {
		return 0
	} else if errors.As(err, &child) {
		return child.status
	}
	line := strings.Join(strings.FieldsFunc(brief(err), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	fmt.Fprintln(os.Stderr, "howdah: "+line)
	if usage := (usageError{}); errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailure
}

// brief is the text of err, in which a connection that failed tells of one address:
// what a server has said that let nobody in, or why none was reached. pgx tells of
// each, with TLS and without.
func brief(err error) string {
	var connect *pgconn.ConnectError
	if !errors.As(err, &connect) {
		return err.Error()
	}
	var why error = connect
	var refused *pgconn.PgError
	var dial *net.OpError
	var lookup *net.DNSError
	switch {
	case errors.As(connect, &refused):
		why = refused
	case errors.As(connect, &dial):
		why = dial
	case errors.As(connect, &lookup):
		why = lookup
	}
	return strings.Replace(err.Error(), connect.Error(), why.Error(), 1)
}
