package capture

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/bridge/catalog"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/value"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// Output writes a value of a type that package value can't read, by asking
// Postgres. It must not be called by whoever keeps Postgres from running. An error is
// ErrEnded if Postgres can't be asked any more; any other says that the value is none.
type Output func(ctx context.Context, database string, t *value.Type, datum []byte) (string, error)

// ErrEnded is what an Output returns once Postgres has ended. The capture ends before
// the transaction whose value it was, and has it again at the next start.
var ErrEnded = errors.New("capture: Postgres has ended")

// Options say how a Capture works.
type Options struct {
	// Dir is the folder in which it keeps where it is, made if it does not exist;
	// "" keeps it nowhere, and the capture begins with whatever the files have.
	Dir string
	// FS holds, at its root, what else Dir would; nil: it is a folder of the host.
	FS vfs.FS
	// Feed opens the log to which sets are appended, complete up to start or with a
	// gap before it.
	Feed func(id feed.ID, start wal.LSN) (*feed.Log, error)
	// Output is asked for values that nothing here can read; nil leaves them Raw.
	Output Output
	// Announce has the server log which transactions are under way
	// (pg_log_standby_snapshot), for a capture that begins anew while it runs; with
	// nil it waits for the next checkpoint, which does that too.
	Announce func(ctx context.Context) error
	// Memory is how many bytes transactions under way may keep before they go to
	// files in Dir; 0 is 64 MiB.
	Memory int
	// MaxBehind is how many bytes of the log may be kept from removal; 0 is 1 GiB.
	MaxBehind int64
	// Logger gets what its operator has to know.
	Logger zerolog.Logger
}

// defaultMaxBehind is the bound of Options.MaxBehind.
const defaultMaxBehind = 1 << 30

// Capture follows one cluster. Its zero value is not usable.
type Capture struct {
	o    Options
	tap  atomic.Pointer[tap] // nil before Files
	feed atomic.Pointer[feed.Log]
	dir  vfs.FS   // where the state is kept; nil: nowhere, or not opened yet
	own  *vfs.Dir // dir, if it was opened here

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	goes   sync.WaitGroup
	halt   chan struct{} // closed to end the goroutine when it has read all
	// follower is what the goroutine runs; of the caller of Files and Close.
	follower *follower

	position atomic.Uint64 // up to here the log is read
	catalogs atomic.Pointer[CatalogChange]

	sets, changes, gaps atomic.Uint64

	mu struct {
		sync.Mutex
		read  uint64        // what was durable in this version has been read
		moved chan struct{} // closed when read has changed, or err; nil: nobody waits
		err   error         // why it has stopped
	}
}

// New returns a Capture that waits for Files.
func New(o Options) *Capture {
	if o.MaxBehind <= 0 {
		o.MaxBehind = defaultMaxBehind
	}
	c := &Capture{o: o}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Before implements vfs.Observer.
func (c *Capture) Before(ch *vfs.Change) error {
	if t := c.tap.Load(); t != nil {
		return t.before(ch)
	}
	return nil
}

// After implements vfs.Observer.
func (c *Capture) After(ch *vfs.Change, err error) {
	if t := c.tap.Load(); t != nil {
		t.after(ch, err)
	}
}

// Feed is the log of change sets, nil before Files.
func (c *Capture) Feed() *feed.Log { return c.feed.Load() }

// Position is up to where the log has been read: all that was committed before it is
// in the feed.
func (c *Capture) Position() wal.LSN { return wal.LSN(c.position.Load()) }

// Behind is how many bytes of the log have been written and not been read, and Kept
// how many are kept from removal because the state that was saved last is before
// them: the next checkpoint saves another.
func (c *Capture) Behind() int64 { return c.since(c.Position()) }

// Kept is explained with Behind.
func (c *Capture) Kept() int64 {
	if t := c.tap.Load(); t != nil {
		return c.since(t.needed())
	}
	return 0
}

// since is how many bytes have been written behind l, whole pages.
func (c *Capture) since(l wal.LSN) int64 {
	t := c.tap.Load()
	if t == nil {
		return 0
	}
	end := t.writtenTo()
	return int64(end - min(pageOf(l+wal.PageSize-1), end))
}

// Stats are what a Capture has done since New.
type Stats struct {
	Sets    uint64 // appended to the feed; a part of a transaction counts as one
	Changes uint64
	Gaps    uint64 // places lost
}

// Stats tells them; it may be called on any goroutine.
func (c *Capture) Stats() Stats {
	return Stats{c.sets.Load(), c.changes.Load(), c.gaps.Load()}
}

// Err is why the capture has stopped, nil while it has not.
func (c *Capture) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.err
}

// Drain waits until all that is durable when it is called is in the feed.
func (c *Capture) Drain(ctx context.Context) error {
	t := c.tap.Load()
	if t == nil {
		return nil
	}
	version := t.version()
	for {
		c.mu.Lock()
		if c.mu.err != nil || c.mu.read >= version {
			defer c.mu.Unlock()
			return c.mu.err
		}
		if c.mu.moved == nil {
			c.mu.moved = make(chan struct{})
		}
		moved := c.mu.moved
		c.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// move notes which version of the tap has been read, or why none will be.
func (c *Capture) move(to uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.read = to
	if err != nil {
		c.mu.err = err
	}
	if c.mu.moved != nil {
		close(c.mu.moved)
		c.mu.moved = nil
	}
}

// BeginError says why a capture could not begin. The cluster can do without it.
type BeginError struct{ Err error }

func (e *BeginError) Error() string { return e.Err.Error() }
func (e *BeginError) Unwrap() error { return e.Err }

// Files begins, or begins anew when the files are others than before; see
// pglite.Watcher. No server may run on them.
func (c *Capture) Files(files vfs.FS, dir string, durable bool) error {
	if c.follower != nil {
		// Its history is over, and Postgres, which it may ask for a value, can't answer
		// before this returns.
		c.follower.end()
	}
	c.stop()
	r, err := c.begin(files, dir, durable)
	if err != nil {
		return &BeginError{err}
	}
	c.halt = make(chan struct{})
	c.follower = r
	c.goes.Go(func() { r.follow(c.halt) })
	return nil
}

// begin finds where to go on, from the saved state or from the files.
func (c *Capture) begin(files vfs.FS, dir string, durable bool) (*follower, error) {
	system, err := catalog.SystemID(files, dir)
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	if err := c.openDir(); err != nil {
		return nil, err
	}
	r := &follower{c: c, files: files, dir: dir, id: feed.ID{System: system}}
	r.ended, r.end = context.WithCancel(c.ctx)
	var spills vfs.FS
	if c.dir != nil {
		r.store, spills = &store{c.dir}, c.dir
	}
	r.txs = newTransactions(spills, c.o.Memory)
	walDir := path.Join(dir, "pg_wal") + "/"
	position, err := r.resume(files, dir, walDir)
	if err != nil {
		return nil, err
	}
	if durable {
		if err := syncSegments(files, walDir, position); err != nil {
			return nil, err
		}
	}
	end, err := logEnd(files, walDir, position)
	if err != nil {
		return nil, err
	}
	if err := c.openFeed(r, position); err != nil {
		return nil, err
	}
	r.source = newSource(files, dir, wal.NewReader(position, wal.Options{SystemID: system}))
	r.saved = position
	c.position.Store(uint64(position))
	c.move(0, nil)
	r.tap = newTap(dir, durable, c.o.MaxBehind)
	r.tap.start(end, position)
	c.tap.Store(r.tap)
	r.saveIfDue()
	return r, nil
}

// openDir opens the capture's own folder, if it has one.
func (c *Capture) openDir() error {
	if c.o.FS != nil {
		c.dir = c.o.FS
	}
	if c.o.Dir == "" || c.dir != nil {
		return nil
	}
	if err := vfs.MakeDirs(c.o.Dir); err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	d, err := vfs.OpenDir(c.o.Dir)
	if err != nil {
		return fmt.Errorf("capture: open %s: %w", c.o.Dir, err)
	}
	c.dir, c.own = d, d
	return nil
}

// resume takes catalogs and transactions from the saved state, or the catalogs from
// the files, and says where in the log they are as they are there.
func (r *follower) resume(files vfs.FS, dir, walDir string) (position wal.LSN, err error) {
	s, err := r.loadState(files, walDir)
	if errors.Is(err, errState) {
		r.c.o.Logger.Warn().Err(err).Msg("capture begins anew")
	} else if err != nil {
		return 0, err
	}
	if s != nil {
		r.txs.adopt(s.pending)
		r.id.Incarnation = s.incarnation
		return s.position, nil
	}
	var start *catalog.Start
	if r.catalogs, start, err = catalog.Read(files, dir); err != nil {
		return 0, fmt.Errorf("capture: %w", err)
	}
	for xid, ops := range start.Prepared {
		if err := r.adoptOps(xid, start.LSN, ops); err != nil {
			return 0, err
		}
		r.txs.preparedUnseen(xid)
	}
	r.due = true // what is written from here on must be found again after a crash
	return start.LSN, nil
}

// loadState gives the saved state if the log can be read on from it, nil if there
// is none. That of the files before, when the cluster has gone back, is none.
func (r *follower) loadState(files vfs.FS, walDir string) (*state, error) {
	if r.store == nil || r.c.Feed() != nil {
		return nil, nil
	}
	s, err := r.store.load()
	if s == nil {
		return nil, err
	}
	switch {
	case s.system != r.id.System:
		err = fmt.Errorf("%w: it is of another cluster", errState)
	case !hasSegment(files, walDir, s.position):
		err = fmt.Errorf("%w: there is no log at %v any more", errState, s.position)
	default:
		if r.catalogs, err = catalog.Load(s.catalogs); err != nil {
			err = fmt.Errorf("%w: %w", errState, err)
		}
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// openFeed opens the log of change sets, or begins another history in it.
func (c *Capture) openFeed(r *follower, start wal.LSN) error {
	log := c.feed.Load()
	if log == nil {
		log, err := c.o.Feed(r.id, start)
		if err == nil {
			c.feed.Store(log)
		}
		return err
	}
	r.id = log.ID()
	r.id.Incarnation++
	return log.Reset(r.id, start, "the database has gone back to a mark")
}

// hasSegment tells whether the log has the segment of l, or ends where it begins.
func hasSegment(files vfs.FS, dir string, l wal.LSN) bool {
	names, err := segments(files, dir, l-1)
	if err != nil || len(names) == 0 {
		return false
	}
	at, _ := segmentStart(names[0])
	return at <= l
}

// stop ends the goroutine when it has read what is durable, and waits for it.
func (c *Capture) stop() {
	if c.halt != nil {
		close(c.halt)
		c.goes.Wait()
		c.halt = nil
	}
}

// Close reads what is durable, saves where it is, and ends. The cluster must be
// closed before, and the feed's log after.
func (c *Capture) Close() error {
	c.stop()
	c.cancel()
	err := c.Err()
	if c.own != nil {
		err = errors.Join(err, c.own.Close())
	}
	return err
}
