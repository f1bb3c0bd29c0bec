package pglite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// Mark is a named moment of a cluster in memory, to which Rewind goes back.
type Mark struct {
	Name  string
	Taken time.Time
	// Bytes is the memory that its files take, most of it shared with the cluster
	// and with other marks, OwnBytes what becomes free without the mark.
	Bytes, OwnBytes int64
}

var (
	// ErrNoMark is returned for a name that no mark has.
	ErrNoMark = errors.New("pglite: there is no such mark")
	// ErrMarkExists is returned for a name that a mark has already.
	ErrMarkExists = errors.New("pglite: there is a mark of this name")
	// ErrMarkName is returned for a name that no mark can have.
	ErrMarkName = errors.New("pglite: the name of a mark is up to 63 letters, digits, '_', '.' and '-', and begins with one of the first three")
	// ErrOnDirectory is returned for a cluster on a directory.
	ErrOnDirectory = errors.New("pglite: marks are of clusters in memory; on a directory, save a snapshot and load it into another one")
	// ErrTooManyMarks is returned by Mark when there are as many as there may be.
	ErrTooManyMarks = fmt.Errorf("pglite: there are %d marks, and no room for more: drop one", maxMarks)
)

// maxMarks bounds the marks of a cluster. One takes some 200 KB, and the files'
// blocks that have changed since.
const maxMarks = 256

// markSet is a cluster's. The lock comes before those of file systems.
type markSet struct {
	rewinding chan struct{} // closed when the last that has begun is over; nil: none has

	sync.Mutex
	m      map[string]mark
	closed bool // nobody goes back any more
}

type mark struct {
	taken time.Time
	files *vfs.Memory
}

// Mark names the present moment. Going back there is as a recovery from a crash
// at that moment: what was committed is there, what was not is rolled back,
// prepared transactions are still prepared, and unlogged tables are empty.
func (c *Cluster) Mark(ctx context.Context, name string) error {
	if err := c.marks.free(name); err != nil {
		return err
	}
	if err := c.marksHere(); err != nil {
		return err
	}
	if _, err := c.asHost(ctx, "checkpoint"); err != nil { // leaves less to recover
		return err
	}
	return c.setMark(name)
}

// setMark takes the files as they are. It waits for nothing.
func (c *Cluster) setMark(name string) error {
	if err := cmp.Or(c.marksHere(), c.stopped(), c.marks.free(name)); err != nil {
		return err
	}
	files := c.mem.Clone()
	if err := c.marks.add(name, files); err != nil {
		return errors.Join(err, files.Close())
	}
	return nil
}

// Marks lists them, oldest first.
func (c *Cluster) Marks() []Mark {
	c.marks.Lock()
	defer c.marks.Unlock()
	all := make([]Mark, 0, len(c.marks.m))
	for name, m := range c.marks.m {
		bytes, own := m.files.Held()
		all = append(all, Mark{Name: name, Taken: m.taken, Bytes: bytes, OwnBytes: own})
	}
	slices.SortFunc(all, func(a, b Mark) int { return cmp.Or(a.Taken.Compare(b.Taken), cmp.Compare(a.Name, b.Name)) })
	return all
}

// Unmark drops a mark.
func (c *Cluster) Unmark(name string) error {
	c.marks.Lock()
	m, ok := c.marks.m[name]
	delete(c.marks.m, name)
	c.marks.Unlock()
	if !ok {
		return fmt.Errorf("%w: %q", ErrNoMark, name)
	}
	return m.files.Close()
}

// marksHere refuses marks on a directory: the host's files can't be shared by
// blocks.
func (c *Cluster) marksHere() error {
	if c.dir != nil {
		return fmt.Errorf("%w: %s", ErrOnDirectory, c.dir.path)
	}
	return nil
}

// free tells whether a mark can have the name.
func (m *markSet) free(name string) error {
	if !markName(name) {
		return fmt.Errorf("%w: %q", ErrMarkName, name)
	}
	m.Lock()
	defer m.Unlock()
	return m.room(name)
}

// room REQUIRES the lock.
func (m *markSet) room(name string) error {
	if _, ok := m.m[name]; ok {
		return fmt.Errorf("%w: %q", ErrMarkExists, name)
	}
	if len(m.m) == maxMarks {
		return ErrTooManyMarks
	}
	return nil
}

// add takes over files unless it fails.
func (m *markSet) add(name string, files *vfs.Memory) error {
	m.Lock()
	defer m.Unlock()
	if err := m.room(name); err != nil {
		return err
	}
	if m.m == nil {
		m.m = map[string]mark{}
	}
	m.m[name] = mark{time.Now(), files}
	return nil
}

// files is a clone of a mark's, which the caller closes.
func (m *markSet) files(name string) (*vfs.Memory, error) {
	m.Lock()
	defer m.Unlock()
	x, ok := m.m[name]
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrNoMark, name)
	}
	return x.files.Clone(), nil
}

// begin runs start, which begins to go back, unless the cluster closes. One who
// goes back waits until before is closed, and closes after: they go in the order
// in which they have begun, those too that nobody waits for any more.
func (m *markSet) begin(start func(before <-chan struct{}, after chan<- struct{})) error {
	m.Lock()
	defer m.Unlock()
	if m.closed {
		return ErrClosed
	}
	before := m.rewinding
	if before == nil {
		before = make(chan struct{})
		close(before)
	}
	m.rewinding = make(chan struct{})
	start(before, m.rewinding)
	return nil
}

// close lets nobody begin any more.
func (m *markSet) close() {
	m.Lock()
	defer m.Unlock()
	m.closed = true
}

// drop drops all of them.
func (m *markSet) drop() (err error) {
	m.Lock()
	defer m.Unlock()
	for _, x := range m.m {
		err = errors.Join(err, x.files.Close())
	}
	m.m = nil
	return err
}

// markName tells whether a mark can have the name: it is a word for shells and
// part of a path.
func markName(name string) bool {
	for k, r := range []byte(name) {
		switch {
		case '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z' || r == '_':
		case (r == '.' || r == '-') && k > 0:
		default:
			return false
		}
	}
	return 0 < len(name) && len(name) <= userNameMax
}
