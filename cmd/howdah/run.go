package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/howdahdb/howdah/cmd/bundle"
	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/template"
	"github.com/howdahdb/howdah/pglite/wire"
)

// What a POSIX utility that invokes another exits with when it cannot.
const (
	exitNotExecutable = 126
	exitNotFound      = 127
)

type runCmd struct {
	Template string `env:"HOWDAH_TEMPLATE" placeholder:"PATH" help:"Begin with what this file or folder makes, once: a schema, a plain dump, migrations."`
	traceFlags
	databaseFlags
	logFlags `set:"log_level=warn"`
	Command  []string `arg:"" optional:"" passthrough:"partial" placeholder:"COMMAND" help:"Command and its arguments."`
}

func (runCmd) Help() string {
	return `The database is in memory, on a free port of 127.0.0.1, and gone when the
command ends. The command finds it in PGHOST, PGPORT, PGUSER, PGDATABASE,
PGSSLMODE and DATABASE_URL.

With --template it is a copy of what a schema, a dump of pg_dump's plain format,
or a folder of migrations (goose, dbmate, golang-migrate, Prisma, or *.sql by
name) has made. That is done at the first run and kept in the cache, until a file
changes.

Signals are passed on. The exit status is the command's: 128+N when signal N
ended it, 127 when it is not found, 126 when it cannot be executed.

Examples:

    howdah run -- psql -c 'select version()'
    howdah run --extensions pgvector -- go test ./...
    howdah run --template db/migrations -- npm test
    howdah run -- sh -c 'pgbench -i && pgbench -T 10'
`
}

// Validate is called by kong after parsing. Kong hands the -- that ends the
// flags on to the command.
func (c *runCmd) Validate() error {
	if len(c.Command) > 0 && c.Command[0] == "--" {
		c.Command = c.Command[1:]
	}
	if len(c.Command) == 0 {
		return errors.New("expected a command to run")
	}
	return c.databaseFlags.Validate()
}

func (c *runCmd) Run() error {
	program, err := exec.LookPath(c.Command[0])
	if err != nil {
		fmt.Fprintln(os.Stderr, "howdah: "+err.Error())
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
			return childExit{exitNotFound}
		}
		return childExit{exitNotExecutable}
	}
	log, trace := c.logger(), c.trace()
	defer trace.print()
	open := openCluster(pglite.Open)
	if c.Template != "" {
		source, err := template.Open(c.Template)
		if err != nil {
			return usagef("--template: %w", err)
		}
		open = openTemplate(source)
	}
	tcp, err := listenTCP("--listen", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(context.Background())
	cluster := c.options(log)
	cluster.Trace = trace.tell()
	s, err := startServer(ctx, open, bundle.Options{Cluster: cluster, NoFeed: true}, wire.Options{Logger: log, Trace: trace.tell()}, nil, tcp)
	if err != nil {
		stop()
		return err
	}

	child := exec.Command(program, c.Command[1:]...)
	child.Args[0] = c.Command[0]
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.Env = childEnv(os.Environ(), tcp.Addr().(*net.TCPAddr))
	err = runChild(child, stop)
	select {
	case <-s.db.Cluster.Done():
		log.Error().Err(s.db.Cluster.Err()).Msg("database failed while the command ran")
		if err == nil {
			err = childExit{exitFailure}
		}
	default:
	}
	if closeErr := s.shutdown(context.Background()); err == nil {
		err = closeErr
	}
	return err
}

// openTemplate opens clones of a template.
func openTemplate(source *template.Source) openCluster {
	return func(ctx context.Context, o pglite.Options) (*pglite.Cluster, error) {
		i, err := source.Image(ctx, o)
		if err != nil {
			return nil, err
		}
		cluster, err := i.Open(ctx, o)
		if closing := i.Close(); err == nil && closing != nil {
			err = errors.Join(closing, cluster.Close(ctx))
		}
		return cluster, err
	}
}

// runChild waits for the child and passes signals on. Signals are the child's
// business from its start, when startSignals gives them back, to its end.
func runChild(child *exec.Cmd, startSignals func()) error {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, passedOn...)
	startSignals()
	if err := child.Start(); err != nil {
		signal.Stop(signals)
		fmt.Fprintln(os.Stderr, "howdah: "+err.Error())
		return childExit{exitNotExecutable}
	}
	ended := make(chan struct{})
	var passing sync.WaitGroup
	passing.Go(func() {
		for {
			select {
			case s := <-signals:
				if !fromKeyboard(s) {
					_ = child.Process.Signal(s) // it may have ended just now
				}
			case <-ended:
				return
			}
		}
	})
	err := child.Wait()
	signal.Stop(signals)
	close(ended)
	passing.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return childExit{exitStatus(exit.ProcessState)}
	}
	return err
}

// childEnv returns environ with libpq's variables pointing at our server and
// without those that would lead a client elsewhere or make it ask for more than
// a trusting server without TLS has.
func childEnv(environ []string, address *net.TCPAddr) []string {
	elsewhere := []string{
		"PGHOSTADDR", "PGSERVICE", "PGSERVICEFILE", "PGPASSWORD", "PGREQUIREAUTH", "PGCHANNELBINDING",
		"PGREQUIREPEER", "PGGSSENCMODE", "PGSSLNEGOTIATION", "PGTARGETSESSIONATTRS",
	}
	env := slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(elsewhere, name)
	})
	return append(env,
		"PGHOST="+address.IP.String(),
		"PGPORT="+strconv.Itoa(address.Port),
		"PGUSER=postgres",
		"PGDATABASE=postgres",
		"PGSSLMODE=disable",
		"DATABASE_URL="+databaseURL(address, false)+"?sslmode=disable",
	)
}
