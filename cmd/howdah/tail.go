package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/howdahdb/howdah/bridge/change"
)

type tailCmd struct {
	URL    string   `arg:"" env:"DATABASE_URL" placeholder:"URL" help:"The server and database: postgres://…, for a role that may replicate."`
	Table  []string `sep:"none" placeholder:"PATTERN" help:"Only tables that match, such as public.orders or audit.*; may be repeated."`
	From   string   `default:"now" placeholder:"WHERE" help:"now; start, with the rows that there are before what changes them; or a position, as lsn in the output."`
	Format string   `enum:"json,cbor,sql" default:"json" help:"json, a line for each change; cbor, a sequence of sets; or sql."`
	Slot   string   `placeholder:"NAME" help:"Go on where the last howdah tail with this replication slot ended; it is made when there is none."`
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
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	slot, err := c.slot(ctx, conn)
	if err != nil {
		return c.explain(err)
	}
	if err := pglogrepl.StartReplication(ctx, conn, slot, 0, pglogrepl.StartReplicationOptions{PluginArgs: c.pluginArgs()}); err != nil {
		return c.explain(err)
	}
	return newTail(conn, c.Format).follow(ctx)
}

// slot makes a slot for this command alone, or the one that was asked for, unless
// there is one.
func (c *tailCmd) slot(ctx context.Context, conn *pgconn.PgConn) (string, error) {
	name := c.Slot
	if name == "" {
		name = fmt.Sprintf("howdah_tail_%d_%08x", os.Getpid(), rand.Uint32())
	}
	_, err := pglogrepl.CreateReplicationSlot(ctx, conn, name, "howdah", pglogrepl.CreateReplicationSlotOptions{
		Temporary: c.Slot == "", SnapshotAction: "NOEXPORT_SNAPSHOT",
	})
	var refused *pgconn.PgError
	if c.Slot != "" && errors.As(err, &refused) && refused.Code == "42710" { // duplicate_object
		err = nil
	}
	return name, err
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
		return err
	}
	switch refused.Code {
	case "58P01": // undefined_file: the plugin is Howdah's own
		return fmt.Errorf("%w; is it a Howdah?", err)
	case "42501":
		return fmt.Errorf("%w; alter role … replication gives a role the right", err)
	case "55000":
		return fmt.Errorf("%w: %s; begin anew with --from start", err, refused.Detail)
	}
	return err
}

// tail is a stream that is printed.
type tail struct {
	conn    *pgconn.PgConn
	format  string
	out     *bufio.Writer
	decoder change.Decoder
	buf     []byte
	current pglogrepl.LSN // of the transaction that is being printed
	printed pglogrepl.LSN // up to here everything has been
	told    time.Time     // when the server last heard of it
}

// tellEvery is how often the server hears how far the output is; it gives up after
// wal_sender_timeout, a minute by default.
const tellEvery = 10 * time.Second

func newTail(conn *pgconn.PgConn, format string) *tail {
	return &tail{conn: conn, format: format, out: bufio.NewWriterSize(os.Stdout, 1<<16), told: time.Now()}
}

func (t *tail) follow(ctx context.Context) error {
	for {
		if err := t.tell(ctx, false); err != nil {
			return err
		}
		wait, cancel := context.WithDeadline(ctx, t.told.Add(tellEvery))
		m, err := t.conn.ReceiveMessage(wait)
		cancel()
		switch {
		case ctx.Err() != nil:
			return errors.Join(ctx.Err(), t.out.Flush())
		case err != nil && pgconn.Timeout(err):
			continue
		case err != nil:
			return errors.Join(fmt.Errorf("the server has gone: %w", err), t.out.Flush())
		}
		switch m := m.(type) {
		case *pgproto3.CopyData:
			err = t.message(ctx, m.Data)
		case *pgproto3.CopyDone:
			return errors.Join(errors.New("the server has ended the stream"), t.out.Flush())
		case *pgproto3.ErrorResponse:
			return errors.Join(pgconn.ErrorResponseToPgError(m), t.out.Flush())
		}
		if err != nil {
			return err
		}
	}
}

func (t *tail) message(ctx context.Context, b []byte) error {
	switch b[0] {
	case pglogrepl.XLogDataByteID:
		x, err := pglogrepl.ParseXLogData(b[1:])
		if err != nil {
			return err
		}
		// The messages of one transaction have the same position.
		if x.WALStart > t.current {
			t.printed, t.current = max(t.printed, t.current), x.WALStart
		}
		return t.print(x.WALData)
	case pglogrepl.PrimaryKeepaliveMessageByteID:
		k, err := pglogrepl.ParsePrimaryKeepaliveMessage(b[1:])
		if err != nil {
			return err
		}
		// It comes when everything before it has been sent.
		t.printed = max(t.printed, k.ServerWALEnd)
		return t.tell(ctx, k.ReplyRequested)
	}
	return nil
}

func (t *tail) print(b []byte) (err error) {
	switch t.format {
	case "json":
		_, err = t.out.Write(append(b, '\n'))
	case "cbor":
		_, err = t.out.Write(b)
	case "sql":
		var s *change.Set
		if s, _, err = t.decoder.Decode(b); err == nil {
			t.buf = change.AppendSQL(t.buf[:0], s)
			_, err = t.out.Write(t.buf)
		}
	}
	if err == nil && t.conn.Frontend().ReadBufferLen() == 0 {
		err = t.out.Flush()
	}
	return err
}

// tell acknowledges what has been printed, now and then or at once.
func (t *tail) tell(ctx context.Context, now bool) error {
	if !now && time.Since(t.told) < tellEvery {
		return nil
	}
	if err := t.out.Flush(); err != nil {
		return err
	}
	t.told = time.Now()
	return pglogrepl.SendStandbyStatusUpdate(ctx, t.conn, pglogrepl.StandbyStatusUpdate{WALWritePosition: t.printed})
}
