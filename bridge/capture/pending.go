package capture

import (
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/howdahdb/howdah/bridge/wal"
)

// What a transaction, or a subtransaction, has logged is kept as bytes until it
// ends: a row change, what a change means for the catalogs, and a message is each
// an entry. So a large transaction can go to a file, and all of them into the saved
// state, without another form.
//
//	entry   0 LSN of the record u64 · 8 entryKind u8 · 9 length u32 · 13 the thing itself
type entryKind uint8

const (
	rowEntry entryKind = iota + 1
	opEntry
	messageEntry
)

const entryHeader = 13

var le = binary.LittleEndian

// pending is what one xid has logged.
type pending struct {
	xid      uint32
	file     *spill // what came first; nil: all is in log
	log      entries
	prepared bool // PREPARE TRANSACTION was done: no crash ends it
	// unseen says that it was prepared before the capture began: the rows that it has
	// changed are not here.
	unseen bool
}

// entries are whole entries in chunks: one piece of memory would be copied whenever
// it grows.
type entries struct {
	chunks [][]byte
	size   int
}

// chunkSize is when a chunk is full; an entry may make it longer.
const chunkSize = 128 << 10

// add puts an entry behind the others; payload appends it.
func (l *entries) add(at wal.LSN, kind entryKind, payload func([]byte) []byte) {
	last := len(l.chunks) - 1
	if last < 0 || len(l.chunks[last]) >= chunkSize {
		var room []byte
		if last >= 0 { // the transaction is large
			room = make([]byte, 0, chunkSize+chunkSize/8)
		}
		l.chunks = append(l.chunks, room)
		last++
	}
	b := l.chunks[last]
	begin := len(b)
	b = le.AppendUint64(b, uint64(at))
	b = append(b, byte(kind), 0, 0, 0, 0)
	b = payload(b)
	le.PutUint32(b[begin+9:], uint32(len(b)-begin-entryHeader))
	l.chunks[last] = b
	l.size += len(b) - begin
}

// entriesOf takes what was saved.
func entriesOf(b []byte) entries {
	if len(b) == 0 {
		return entries{}
	}
	return entries{[][]byte{b}, len(b)}
}

// entry is one of a pending's; payload is valid until the next one is read.
type entry struct {
	at      wal.LSN
	kind    entryKind
	payload []byte
}

// cursor goes through a pending's entries.
type cursor struct {
	xid  uint32
	file io.Reader // nil when it is read
	log  []byte    // the rest of a chunk
	rest [][]byte  // the chunks behind it
	buf  []byte
	entry
	done bool
}

func (p *pending) cursor() (*cursor, error) {
	c := &cursor{xid: p.xid, rest: p.log.chunks}
	if p.file != nil {
		c.file = p.file.reader()
	}
	return c, c.next()
}

// next reads the next entry, or sets done.
func (c *cursor) next() error {
	var header [entryHeader]byte
	if c.file != nil {
		switch _, err := io.ReadFull(c.file, header[:]); {
		case err == nil:
			return c.nextOfFile(header[:])
		case !errors.Is(err, io.EOF):
			return fmt.Errorf("capture: read what transaction %d has changed: %w", c.xid, err)
		}
		c.file = nil
	}
	for len(c.log) == 0 && len(c.rest) > 0 {
		c.log, c.rest = c.rest[0], c.rest[1:]
	}
	if len(c.log) == 0 {
		c.done, c.entry = true, entry{}
		return nil
	}
	n, err := c.header(c.log)
	if err != nil || n > len(c.log)-entryHeader {
		return errPending
	}
	c.payload = c.log[entryHeader:][:n]
	c.log = c.log[entryHeader+n:]
	return nil
}

func (c *cursor) nextOfFile(header []byte) error {
	n, err := c.header(header)
	if err != nil {
		return err
	}
	if cap(c.buf) < n {
		c.buf = make([]byte, n)
	}
	c.payload = c.buf[:n]
	if _, err := io.ReadFull(c.file, c.payload); err != nil {
		return fmt.Errorf("capture: read what transaction %d has changed: %w", c.xid, err)
	}
	return nil
}

var errPending = errors.New("capture: what a transaction has changed is not kept as it was written")

// header takes an entry's header, and gives its length.
func (c *cursor) header(b []byte) (int, error) {
	if len(b) < entryHeader {
		return 0, errPending
	}
	c.at, c.kind = wal.LSN(le.Uint64(b)), entryKind(b[8])
	n := le.Uint32(b[9:])
	if c.kind < rowEntry || c.kind > messageEntry || n > 1<<30 {
		return 0, errPending
	}
	return int(n), nil
}

// merged goes through the entries of a transaction and its subtransactions in the
// order of the log: the cursors are a heap.
type merged []*cursor

func (m merged) Len() int           { return len(m) }
func (m merged) Less(i, k int) bool { return m[i].at < m[k].at }
func (m merged) Swap(i, k int)      { m[i], m[k] = m[k], m[i] }
func (m *merged) Push(c any)        { *m = append(*m, c.(*cursor)) }

func (m *merged) Pop() any {
	last := len(*m) - 1
	c := (*m)[last]
	*m = (*m)[:last]
	return c
}

func merge(all []*pending) (merged, error) {
	var m merged
	for _, p := range all {
		c, err := p.cursor()
		if err != nil {
			return nil, err
		}
		if !c.done {
			m = append(m, c)
		}
	}
	heap.Init(&m)
	return m, nil
}

// each gives one entry after the other to do, until there are no more.
func (m *merged) each(do func(xid uint32, e *entry) error) error {
	for len(*m) > 0 {
		c := (*m)[0]
		if err := do(c.xid, &c.entry); err != nil {
			return err
		}
		if err := c.next(); err != nil {
			return err
		}
		if c.done {
			heap.Pop(m)
		} else {
			heap.Fix(m, 0)
		}
	}
	return nil
}

// close gives up the file, and leaves it where it is.
func (p *pending) close() error {
	if p.file == nil || p.file.file == nil {
		return nil
	}
	return p.file.close()
}
