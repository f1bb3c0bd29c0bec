package replication

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/wal"
)

const (
	// sendAfter is how many bytes of a stream are gathered before they are sent,
	// while more is at hand.
	sendAfter = 32 << 10
	// idleAfter is how often an idle stream looks whether there is a position to
	// tell the subscriber, or time for a keepalive.
	idleAfter = 100 * time.Millisecond
	// keepAfter is how often a stream that is never idle has a keepalive: Postgres'
	// subscribers take their position in pg_stat_subscription from these alone.
	keepAfter = time.Second
	// maxReply bounds a subscriber's messages, of which the longest that says
	// anything has 34 bytes.
	maxReply = 1 << 10
)

// stream is a START_REPLICATION under way. Its goroutines send sets and advance the
// slot; the connection's reads what the subscriber says.
type stream struct {
	c       *conn
	slot    string
	use     *use
	owner   runner // whose session may advance the slot
	db      *sql.DB
	sub     *feed.Subscription
	enc     encoder
	timeout time.Duration // wal_sender_timeout; 0 is none
	cancel  context.CancelFunc
	sending sync.WaitGroup
	acks    chan struct{} // has room for one: acknowledged has risen

	mu struct {
		sync.Mutex
		acknowledged wal.LSN
		heard        time.Time // when the subscriber last said anything
		asked        bool      // for a reply, since then
		wanted       bool      // it asks for one
		over         bool      // the client was told that the stream has failed
	}

	// Of the sender.
	out  []byte
	sent int     // messages
	told wal.LSN // the position that the subscriber knows of

	kept time.Time // when a keepalive was sent last

	begun wal.LSN // where the stream began
}

// startReplication begins to stream a slot (StartLogicalReplication in walsender.c).
func (c *conn) startReplication(cmd startReplication) error {
	if c.status != 'I' {
		return c.fail(errorf("25001", "START_REPLICATION cannot run inside a transaction block"))
	}
	if !cmd.logical {
		return c.fail(errorf(featureNotSupported, "physical replication is not supported"))
	}
	use, err := c.srv.acquire(cmd.slot, c.pid)
	if err != nil {
		return c.fail(err)
	}
	s := &stream{c: c, slot: cmd.slot, use: use, acks: make(chan struct{}, 1)}
	if err := s.open(cmd); err != nil {
		s.log(err, "stream refused")
		return c.fail(errors.Join(err, s.close()))
	}
	if err := c.b.say(appendCopyBoth(nil)); err != nil {
		return errors.Join(err, s.close())
	}
	s.start()
	c.stream = s
	c.rest(true)
	return nil
}

// rest tells the client's connection whether it may be ended at any moment.
func (c *conn) rest(on bool) {
	if r, ok := c.client.(interface{ Rest(on bool) }); ok {
		r.Rest(on)
	}
}

// open finds the slot, the plugin and the place in the log.
func (s *stream) open(cmd startReplication) error {
	c := s.c
	rows, err := c.rows(`select slot_type, plugin, database, confirmed_flush_lsn::text, invalidation_reason,
		(select setting from pg_catalog.pg_settings where name = 'wal_sender_timeout')
		from pg_catalog.pg_replication_slots where slot_name = ` + quoteLiteral(cmd.slot))
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return noSlot(cmd.slot)
	}
	row := rows[0]
	switch {
	case *row[0] != "logical":
		return errorf("55000", "cannot use physical replication slot for logical decoding")
	case *row[2] != c.database:
		return errorf("55000", "replication slot \"%s\" was not created in this database", cmd.slot)
	case row[4] != nil:
		return lostSlot(cmd.slot, *row[4])
	}
	milliseconds, err := strconv.Atoi(*row[5])
	if err != nil {
		return err
	}
	s.timeout = time.Duration(milliseconds) * time.Millisecond
	from, err := wal.ParseLSN(*row[3])
	if err != nil {
		return err
	}
	from = max(from, cmd.from, c.srv.confirmed(cmd.slot))
	if s.db, err = c.srv.o.Connect(c.database); err != nil {
		return err
	}
	s.owner = runnerOn(context.WithoutCancel(c.ctx), s.db)
	for _, t := range c.temporary {
		if t.name == cmd.slot {
			s.owner = t.by
		}
	}
	var want feed.SubscribeOptions
	if s.enc, want, err = c.srv.encoder(*row[1], cmd.options, s.db); err != nil {
		return err
	}
	want.Database = c.database
	if want.From == (feed.Position{}) {
		want.From = feed.After(from)
	}
	s.sub, err = c.srv.o.Log.Subscribe(c.ctx, want)
	switch {
	case errors.Is(err, feed.ErrRefetch):
		return lostSlot(cmd.slot, err.Error())
	case errors.Is(err, feed.ErrPattern):
		return errorf(invalidParameter, "%s", err)
	}
	s.mu.acknowledged, s.told, s.begun = from, from, from
	return err
}

// lostSlot says that what comes after a slot's position is no more.
func lostSlot(slot, why string) error {
	e := errorf("55000", "can no longer access replication slot \"%s\"", slot)
	e.Detail = "This replication slot has been invalidated: " + why + "."
	return e
}

// encoder makes that of a slot's plugin, and says what of the log it wants.
func (s *Server) encoder(plugin string, options []option, db *sql.DB) (encoder, feed.SubscribeOptions, error) {
	switch plugin {
	case "pgoutput":
		settings, err := parseSettings(options)
		if err != nil {
			return nil, feed.SubscribeOptions{}, err
		}
		return newPgoutput(settings, db, s.o.CatalogChange), feed.SubscribeOptions{}, nil
	case "howdah":
		return s.parseForm(options)
	}
	return nil, feed.SubscribeOptions{}, errorf(featureNotSupported, "output plugin \"%s\" is not supported", plugin)
}

func (s *stream) start() {
	ctx, cancel := context.WithCancel(s.c.ctx)
	s.cancel = cancel
	s.mu.heard = time.Now()
	s.sending.Go(func() {
		err := s.send(ctx)
		switch {
		case ctx.Err() != nil:
		case err == errTimeout:
			_ = s.c.b.Close() // nobody is there to be told
		case err != nil:
			s.failed(err)
		}
	})
	s.sending.Go(func() { s.follow(ctx) })
}

// close gives back what open has taken.
func (s *stream) close() (err error) {
	if s.sub != nil {
		err = s.sub.Close()
	}
	if s.db != nil {
		err = errors.Join(err, s.db.Close())
	}
	if s.use != nil {
		s.c.srv.release(s.slot, s.use)
	}
	return err
}

// endStream ends the stream, if there is one. The slot is free for others, and
// follows later: the client does not wait for that.
func (c *conn) endStream() {
	s := c.stream
	if s == nil {
		return
	}
	c.stream = nil
	c.rest(false)
	s.cancel()
	s.sending.Wait()
	c.srv.release(s.slot, s.use)
	s.use = nil
	c.ended = s
}

// tellSlot advances the slot of a stream that has ended, before the next command, if
// that does not drop it.
func (c *conn) tellSlot(dropped string) {
	s := c.ended
	if s == nil {
		return
	}
	c.ended = nil
	if to := s.acknowledged(); s.slot != dropped && to > s.begun {
		if use, err := c.srv.acquire(s.slot, c.pid); err == nil { // else somebody else streams it
			_ = s.advance(to)
			c.srv.release(s.slot, use)
		}
	}
	_ = s.close()
}

// leaving is the slot of the stream that has ended if it goes with the connection.
func (c *conn) leaving() string {
	for _, t := range c.temporary {
		if c.ended != nil && t.name == c.ended.slot {
			return t.name
		}
	}
	return ""
}

// log tells the operator what the subscriber is told.
func (s *stream) log(err error, what string) {
	event := s.c.srv.o.Logger.Warn().Err(err).Str("slot", s.slot).Uint32("pid", s.c.pid)
	if own := (*Error)(nil); errors.As(err, &own) && own.Detail != "" {
		event.Str("detail", own.Detail)
	}
	event.Msg(what)
}

// failed tells the client why nothing more comes. It ends the COPY, too.
func (s *stream) failed(err error) {
	if errors.Is(err, feed.ErrRefetch) {
		err = lostSlot(s.slot, err.Error())
	}
	s.log(err, "stream ended")
	s.mu.Lock()
	s.mu.over = true
	s.mu.Unlock()
	_ = s.c.b.say(appendReady(appendError(nil, "ERROR", err), 'I'))
}
