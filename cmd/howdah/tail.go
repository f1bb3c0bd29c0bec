package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
)

type tailCmd struct {
	URL    string   `arg:"" env:"DATABASE_URL" placeholder:"URL" help:"The server and database: postgres://…, for a role that may replicate."`
	Table  []string `sep:"none" placeholder:"PATTERN" help:"Only tables that match, such as public.orders, audit.* or orders in any schema, with names as they are stored; may be repeated."`
	From   string   `default:"now" placeholder:"WHERE" help:"now; start, with the rows that there are before what changes them; or after a position, as lsn in the output."`
	Format string   `enum:"json,cbor,sql" default:"json" help:"json, a line for each change; cbor, a sequence of sets; or sql."`
	Slot   string   `placeholder:"NAME" help:"Go on where the last howdah tail with this replication slot ended, but --from says otherwise; it is made when there is none."`
}

func (tailCmd) Help() string {
	return `Prints what is committed, in the order of the commits, until it is interrupted.
In JSON the last change of a transaction has commit:true, and rows of --from start
have snapshot:true.

Examples:

    howdah tail postgres://postgres@127.0.0.1/postgres
    howdah tail --table public.orders --from start $DATABASE_URL | jq .new
    howdah tail --format sql $DATABASE_URL | psql $OTHER_URL
`
}

// Validate is called by kong after parsing.
func (c *tailCmd) Validate() error {
	if strings.Trim(c.Slot, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return fmt.Errorf("--slot %s: the name of a slot has lower-case letters, digits and underscores", c.Slot)
	}
	switch c.From {
	case "now", "start":
		return nil
	}
	if _, err := pglogrepl.ParseLSN(c.From); err != nil {
		return fmt.Errorf("--from %s is neither now nor start nor a position such as 0/16B3748", c.From)
	}
	return nil
}

func (c *tailCmd) Run() error {
	ctx, stop := untilSignal(context.Background())
	defer stop()
	signal.Ignore(syscall.SIGPIPE) // or a write to a closed pipe ends the process
	err := c.tail(ctx)
	if ctx.Err() != nil || errors.Is(err, syscall.EPIPE) { // who reads has had enough
		return nil
	}
	return err
}

// tail follows the server until ctx ends.
func (c *tailCmd) tail(ctx context.Context) error {
	config, err := pgconn.ParseConfig(c.URL)
	if err != nil {
		return usageError{err}
	}
	config.RuntimeParams["replication"] = "database"
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "howdah tail"
	}
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return c.explain(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	slot, err := c.slot(ctx, conn)
	if err != nil {
		return c.explain(err)
	}
	if err := c.start(ctx, conn, slot); err != nil {
		return c.explain(err)
	}
	return c.explain(newTail(conn, c.Format).run(ctx))
}

// slot makes a slot for this command alone, or the one that was asked for, unless
// there is one.
func (c *tailCmd) slot(ctx context.Context, conn *pgconn.PgConn) (string, error) {
	name := c.Slot
	if name == "" {
		name = fmt.Sprintf("howdah_tail_%d_%08x", os.Getpid(), rand.Uint32())
	} else if plugin, err := pluginOf(ctx, conn, name); err != nil {
		return "", err
	} else if plugin == tailPlugin {
		return name, nil
	} else if plugin != "" {
		return "", fmt.Errorf("slot %s is one for %s, not for howdah tail", name, plugin)
	}
	_, err := pglogrepl.CreateReplicationSlot(ctx, conn, name, tailPlugin, pglogrepl.CreateReplicationSlotOptions{
		Temporary: c.Slot == "", SnapshotAction: "NOEXPORT_SNAPSHOT",
	})
	return name, err
}

// tailPlugin is the output plugin of bridge/replication that sends sets.
const tailPlugin = "howdah"

// pluginOf gives a slot's plugin, and nothing if there is no such slot. To ask first
// spares the server's log an error at each start.
func pluginOf(ctx context.Context, conn *pgconn.PgConn, slot string) (string, error) {
	results, err := conn.Exec(ctx, "select coalesce(plugin, 'physical replication') from pg_catalog.pg_replication_slots where slot_name = "+quote(slot)).ReadAll()
	if err != nil || len(results) == 0 || len(results[0].Rows) == 0 {
		return "", err
	}
	return string(results[0].Rows[0][0]), nil
}

// handoverWithin is how long another user of the slot may take to leave it: a tail
// that has just ended, of which the server still notes how far it was.
const handoverWithin = 3 * time.Second

// start starts the stream. A slot has one reader at a time.
func (c *tailCmd) start(ctx context.Context, conn *pgconn.PgConn, slot string) error {
	for until := time.Now().Add(handoverWithin); ; {
		err := pglogrepl.StartReplication(ctx, conn, slot, 0, pglogrepl.StartReplicationOptions{PluginArgs: c.pluginArgs()})
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != "55006" /* object_in_use */ || time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (c *tailCmd) pluginArgs() []string {
	format := c.Format
	if format == "sql" {
		format = "cbor"
	}
	args := []string{"format " + quote(format)}
	if c.From != "now" {
		args = append(args, `"from" `+quote(c.From))
	}
	if len(c.Table) > 0 {
		args = append(args, "tables "+quote(strings.Join(c.Table, ",")))
	}
	return args
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// explain says what to do about a refusal.
func (c *tailCmd) explain(err error) error {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		if connect := (*pgconn.ConnectError)(nil); errors.As(err, &connect) {
			return fmt.Errorf("%w; does a server run there?", err)
		}
		return err
	}
	switch refused.Code {
	case "0A000":
		return fmt.Errorf("%w; is it a Howdah, and not with --no-feed?", err)
	case "58P01": // undefined_file: the plugin is Howdah's own
		return fmt.Errorf("%w; is it a Howdah?", err)
	case "42501":
		return fmt.Errorf("%w; alter role … replication gives a role the right", err)
	case "55006":
		return fmt.Errorf("%w; a slot has one reader at a time", err)
	case "55000":
		if refused.Detail == "" {
			return err
		}
		return fmt.Errorf("%w: %s; begin anew with --from start", err, strings.TrimSuffix(refused.Detail, "."))
	}
	return err
}
