package capture

import (
	"bytes"
	"errors"
	"syscall"
	"testing"

	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/runtime/vfs"
)

const (
	testDir     = "/data"
	testSegment = "/data/pg_wal/000000010000000000000001"
	testStart   = wal.LSN(segmentSize)
)

// listened is files whose changes a tap is told of.
type listened struct {
	t *testing.T
	*vfs.Namespace
	tap *tap
}

func (l *listened) Before(c *vfs.Change) error { return l.tap.before(c) }
func (l *listened) After(c *vfs.Change, err error) {
	l.tap.after(c, err)
}

func listen(t *testing.T, durable bool, most int64) *listened {
	t.Helper()
	mem := vfs.NewMemory(vfs.MemoryOptions{})
	t.Cleanup(func() { mem.Close() })
	l := &listened{t, vfs.NewNamespace(mem), newTap(testDir, durable, most)}
	l.SetObserver(l)
	for _, dir := range []string{"/data", "/data/pg_wal"} {
		if err := l.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func (l *listened) open(name string) vfs.File {
	l.t.Helper()
	f, err := l.Open(name, vfs.ReadWrite|vfs.Create, 0o600)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { f.Close() })
	return f
}

// page is one whose bytes are all b.
func page(b byte) []byte { return bytes.Repeat([]byte{b}, wal.PageSize) }

func (l *listened) write(f vfs.File, number int64, b byte) {
	l.t.Helper()
	if _, err := f.WriteAt(page(b), number*wal.PageSize); err != nil {
		l.t.Fatal(err)
	}
}

func (l *listened) sync(f vfs.File) {
	l.t.Helper()
	if err := f.Datasync(); err != nil {
		l.t.Fatal(err)
	}
}

// expect takes, and wants the log durable to end, its last page full of b.
func (l *listened) expect(end wal.LSN, b byte, low wal.LSN) {
	l.t.Helper()
	var got tail
	gotLow, _, _ := l.tap.take(&got)
	if got.end != end || gotLow != low {
		l.t.Fatalf("durable to %v, written from %v; expected %v, %v", got.end, gotLow, end, low)
	}
	if end != 0 && (!got.copied || got.page[0] != b) {
		l.t.Fatalf("the last page is full of %d (copied %v), expected %d", got.page[0], got.copied, b)
	}
}

func TestTapInMemory(t *testing.T) {
	l := listen(t, false, 0)
	f := l.open(testSegment)
	l.write(f, 0, 1)
	l.expect(testStart+wal.PageSize, 1, testStart)
	l.write(f, 0, 2)
	l.write(f, 1, 3)
	l.write(l.open("/data/pg_wal/xlogtemp.7"), 9, 9)
	l.write(l.open("/data/base"), 9, 9)
	l.expect(testStart+2*wal.PageSize, 3, testStart)
	l.expect(testStart+2*wal.PageSize, 3, endless)
}

// TestTapDurable checks that nothing counts that was written after the sync began.
func TestTapDurable(t *testing.T) {
	l := listen(t, true, 0)
	f := l.open(testSegment)
	l.write(f, 0, 1)
	l.expect(0, 0, endless)
	during := &duringSync{listened: l, do: func() { l.write(f, 0, 2); l.write(f, 1, 3) }}
	l.SetObserver(during)
	l.sync(f)
	l.expect(testStart+wal.PageSize, 1, testStart)
	l.sync(f)
	l.expect(testStart+2*wal.PageSize, 3, testStart)

	l.write(f, 1, 4)
	during.fail = true
	if err := f.Datasync(); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	l.expect(testStart+2*wal.PageSize, 3, endless)
}

// duringSync does something while a sync is under way, once, or has it fail.
type duringSync struct {
	*listened
	do   func()
	fail bool
}

func (d *duringSync) Before(c *vfs.Change) error {
	if err := d.listened.Before(c); err != nil || c.Op != vfs.OpSync {
		return err
	}
	if d.fail {
		d.listened.After(c, syscall.EIO)
		return syscall.EIO
	}
	if do := d.do; do != nil {
		d.do = nil
		do()
	}
	return nil
}

// TestTapSegments checks that a segment counts only when those before it do.
func TestTapSegments(t *testing.T) {
	l := listen(t, true, 0)
	one, two := l.open(testSegment), l.open("/data/pg_wal/000000010000000000000002")
	last := int64(segmentSize/wal.PageSize - 1)
	l.write(one, last, 1)
	l.write(two, 0, 2)
	l.sync(two)
	var got tail
	if l.tap.take(&got); got.end > testStart {
		t.Fatalf("durable to %v before the first segment is", got.end)
	}
	l.sync(one)
	if l.tap.take(&got); got.end != 2*segmentSize+wal.PageSize || got.page[0] != 2 {
		t.Fatalf("durable to %v", got.end)
	}
}

func TestTapKeepsSegments(t *testing.T) {
	l := listen(t, false, 4*segmentSize)
	f := l.open(testSegment)
	l.write(f, 0, 1)
	if err := l.Unlink(testSegment); !errors.Is(err, syscall.EBUSY) {
		t.Errorf("removing a segment that is needed: %v", err)
	}
	if err := l.Rename(testSegment, "/data/pg_wal/000000010000000000000009"); !errors.Is(err, syscall.EBUSY) {
		t.Errorf("renaming a segment that is needed: %v", err)
	}
	l.tap.release(2 * segmentSize)
	if err := l.Rename(testSegment, "/data/pg_wal/000000010000000000000009"); err != nil {
		t.Errorf("renaming a segment that is not needed: %v", err)
	}
	if _, _, lost := l.tap.take(&tail{}); lost {
		t.Error("something is lost")
	}
	// So much has to stay that it may not.
	far := l.open("/data/pg_wal/000000010000000000000007")
	l.write(far, 0, 1)
	if err := l.Unlink("/data/pg_wal/000000010000000000000007"); err != nil {
		t.Errorf("removing a segment beyond the bound: %v", err)
	}
	if _, _, lost := l.tap.take(&tail{}); !lost {
		t.Error("nothing is lost, and the segment is gone")
	}
}

// TestTapForgets: segments that are gone hold nothing up, and in memory none is
// remembered.
func TestTapForgets(t *testing.T) {
	l := listen(t, true, 0)
	one, two := l.open(testSegment), l.open("/data/pg_wal/000000010000000000000002")
	l.write(one, int64(segmentSize/wal.PageSize-1), 1)
	l.write(two, 0, 2)
	l.tap.release(2 * segmentSize)
	if err := l.Unlink(testSegment); err != nil {
		t.Fatal(err)
	}
	l.sync(two)
	l.expect(2*segmentSize+wal.PageSize, 2, testStart+segmentSize-wal.PageSize)

	m := listen(t, false, 0)
	m.write(m.open(testSegment), 0, 1)
	if n := len(m.tap.mu.unsynced); n != 0 {
		t.Errorf("%d segments are remembered", n)
	}
}
