package replication

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// maxCommand bounds a replication command; a longer statement is SQL.
const maxCommand = 64 << 10

// conn is one connection. Its goroutine reads what the client sends and answers
// commands; while a stream runs, that one writes.
type conn struct {
	srv    *Server
	ctx    context.Context
	client Client
	b      *backend
	pid    uint32

	database  string
	status    byte // of the last ReadyForQuery
	exporting bool // the session holds a snapshot that it has exported
	temporary []temporarySlot
	stream    *stream // nil: none
	ended     *stream // its slot is still to be told what was acknowledged
}

func (c *conn) serve() error {
	status, err := c.b.awaitReady()
	if err != nil {
		return err
	}
	c.status = status
	if err := c.admit(); err != nil {
		return c.fatal(err)
	}
	if err := c.b.say(appendReady(nil, c.status)); err != nil {
		return err
	}
	for {
		h, err := readHeader(c.client)
		if err != nil {
			return err
		}
		if err := c.message(h); err != nil {
			return err
		}
	}
}

// admit lets those in whom Postgres would let start a walsender
// (InitPostgres in src/backend/utils/init/postinit.c).
func (c *conn) admit() error {
	row, err := c.one(`select pg_catalog.current_database(), rolreplication or rolsuper
		from pg_catalog.pg_roles where rolname = session_user`)
	if err != nil {
		return err
	}
	if *row[1] != "t" {
		e := errorf("42501", "permission denied to start WAL sender")
		e.Detail = "Only roles with the REPLICATION attribute may start a WAL sender process."
		return e
	}
	c.database = *row[0]
	return nil
}

// fatal says why the connection ends.
func (c *conn) fatal(err error) error {
	if serr := c.b.say(appendError(nil, "FATAL", err)); serr != nil {
		return serr
	}
	return io.EOF
}

// message handles one message of the client's, whose body is still to be read.
func (c *conn) message(h header) error {
	if c.stream != nil && h.typ != 'X' {
		return c.streamed(h)
	}
	if h.typ == 'Q' {
		return c.query(h)
	}
	if _, err := io.CopyN(io.Discard, c.client, int64(h.size)); err != nil {
		return err
	}
	switch h.typ {
	case 'X':
		return io.EOF
	case 'S':
		return c.b.say(appendReady(nil, c.status))
	case 'H', 'd', 'c', 'f': // of a COPY that is over
		return nil
	case 'F':
		return c.fail(errorf("08P01", "fastpath function calls not supported in a replication connection"))
	case 'P', 'B', 'E', 'C', 'D':
		c.abort()
		if err := c.b.say(appendError(nil, "ERROR", errorf("08P01", "extended query protocol not supported in a replication connection"))); err != nil {
			return err
		}
		return c.skipToSync()
	}
	return c.fatal(errorf("08P01", "invalid frontend message type %d", h.typ))
}

// skipToSync drops the rest of a batch of extended query messages.
func (c *conn) skipToSync() error {
	for {
		h, err := readHeader(c.client)
		if err != nil {
			return err
		}
		if h.typ == 'S' || h.typ == 'X' {
			return c.message(h)
		}
		if _, err := io.CopyN(io.Discard, c.client, int64(h.size)); err != nil {
			return err
		}
	}
}

// query answers a Query message.
func (c *conn) query(h header) error {
	message := append(h.bytes(), make([]byte, min(h.size, maxCommand))...)
	body := message[headerSize:]
	if _, err := io.ReadFull(c.client, body); err != nil {
		return err
	}
	if err := c.endExport(); err != nil {
		return err
	}
	rest := h.size - len(body)
	if rest == 0 {
		text, _, _ := strings.Cut(string(body), "\x00")
		cmd, err := parse(text)
		if err != nil {
			return c.fail(err)
		}
		if _, ok := cmd.(sqlCommand); !ok {
			drop, _ := cmd.(dropSlot)
			c.tellSlot(drop.slot)
			return c.command(cmd)
		}
	}
	c.tellSlot("")
	status, err := c.b.pass(message, rest)
	c.status = status
	return err
}

// command runs a replication command.
func (c *conn) command(cmd command) error {
	if c.status == 'E' {
		return c.fail(errorf("25P02", "current transaction is aborted, commands ignored until end of transaction block"))
	}
	switch cmd := cmd.(type) {
	case identifySystem:
		return c.identifySystem(cmd)
	case show:
		return c.show(cmd)
	case readSlot:
		return c.readSlot(cmd)
	case createSlot:
		return c.createSlot(cmd)
	case dropSlot:
		return c.dropSlot(cmd)
	case alterSlot:
		return c.alterSlot(cmd)
	case startReplication:
		return c.startReplication(cmd)
	case timelineHistory:
		return c.fail(errorf("58P01", "could not open file \"pg_wal/%08X.history\": No such file or directory", cmd.timeline))
	}
	return c.fail(errorf(featureNotSupported, "%s is not supported", cmd.tag()))
}

func (c *conn) identifySystem(cmd identifySystem) error {
	row, err := c.one(`select s.system_identifier::text, k.timeline_id::text, pg_catalog.pg_current_wal_flush_lsn()::text, pg_catalog.current_database()
		from pg_catalog.pg_control_system() s, pg_catalog.pg_control_checkpoint() k`)
	if err != nil {
		return c.fail(err)
	}
	return c.reply(cmd, []field{text("systemid"), {"timeline", oidInt8}, text("xlogpos"), text("dbname")}, row)
}

func (c *conn) show(cmd show) error {
	row, err := c.one("show " + quoteSetting(cmd.name))
	if err != nil {
		return c.fail(err)
	}
	return c.reply(cmd, []field{text(cmd.name)}, row)
}

func quoteSetting(name string) string {
	parts := strings.Split(name, ".")
	for k := range parts {
		parts[k] = quoteName(parts[k])
	}
	return strings.Join(parts, ".")
}

// one gives the first row of a query of the connection's own, by its session.
func (c *conn) one(sql string) ([]*string, error) {
	rows, err := c.rows(sql)
	if err == nil && len(rows) == 0 {
		err = fmt.Errorf("replication: no row of %s", sql)
	}
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

func (c *conn) rows(sql string) ([][]*string, error) {
	a, status, err := c.b.query(sql)
	if err != nil {
		return nil, err
	}
	if !c.exporting {
		c.status = status
	}
	if a.err != nil {
		return nil, a.err
	}
	return a.rows, nil
}

// reply answers a command with its one row, or with none.
func (c *conn) reply(cmd command, fields []field, row []*string) error {
	var b []byte
	if fields != nil {
		b = appendRowDescription(b, fields)
		b = appendDataRow(b, row)
	}
	return c.b.say(appendReady(appendCommandComplete(b, cmd.tag()), c.status))
}

// fail answers a command with an error. One that says that the session has ended
// goes on.
func (c *conn) fail(err error) error {
	if err == errLeft {
		return err
	}
	c.abort()
	return c.b.say(appendReady(appendError(nil, "ERROR", err), c.status))
}

// abort makes the session's transaction a failed one, as an error in Postgres would.
func (c *conn) abort() {
	if c.status == 'T' {
		_, _ = c.rows("do $$ begin raise exception 'a replication command has failed'; end $$")
	}
}

// pause waits, with pauses that grow, for something that nobody tells of.
func pause(ctx context.Context, try int) error {
	t := time.NewTimer(min(time.Millisecond<<min(try, 6), 50*time.Millisecond))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func quoteLiteral(s string) string {
	if strings.Contains(s, `\`) {
		return ` E'` + strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), "'", "''") + "'"
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
