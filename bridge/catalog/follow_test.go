package catalog_test

import (
	"cmp"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/howdahdb/howdah/bridge/catalog"
	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/heap"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/bridge/xact"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// follower does what a capture does: it reads the log of a data directory, and keeps
// the catalogs up with it.
type follower struct {
	dir      string
	catalogs *catalog.Catalogs
	reader   *wal.Reader
	fed      wal.LSN
	pending  map[uint32][]entry
	// row is called for each row change of a committed transaction, and ddl for what
	// is told of tables; both may be nil.
	row func(v *catalog.View, r *heap.Row)
	ddl func(change.Change)

	records, ops int
}

// entry is what a transaction has logged: an Op as it is kept, or a row.
type entry struct {
	at  wal.LSN
	op  []byte
	row *heap.Row
}

// follow begins with the directory as it is, and no server or an idle one on it.
func follow(t *testing.T, dir string) *follower {
	t.Helper()
	c, start := read(t, dir)
	return &follower{
		dir: dir, catalogs: c, fed: start.LSN &^ (wal.PageSize - 1), pending: map[uint32][]entry{},
		reader: wal.NewReader(start.LSN, wal.Options{SystemID: start.SystemID, SegmentSize: start.SegmentSize}),
	}
}

func read(t *testing.T, dir string) (*catalog.Catalogs, *catalog.Start) {
	t.Helper()
	files, err := vfs.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	c, start, err := catalog.Read(files, "/")
	if err != nil {
		t.Fatal(err)
	}
	return c, start
}

// catchUp reads the log to its end, or to a position.
func (f *follower) catchUp(t *testing.T, to wal.LSN) {
	t.Helper()
	for to == 0 || f.reader.Position() < to {
		r, err := f.reader.Next()
		if err == nil {
			if err := f.take(r); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if !errors.Is(err, wal.ErrMore) {
			t.Fatal(err)
		}
		if !f.feed(t) {
			return
		}
	}
}

// feed gives the reader what is in the files from its position on, a segment at
// most, and tells whether there is anything new.
func (f *follower) feed(t *testing.T) bool {
	t.Helper()
	const segment = 16 << 20
	at := max(f.reader.Position()&^(wal.PageSize-1), f.fed)
	name := filepath.Join(f.dir, "pg_wal", segmentName(at))
	file, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	b := make([]byte, min(1<<20, segment-at%segment))
	if _, err := file.ReadAt(b, int64(at%segment)); err != nil {
		t.Fatal(err)
	}
	if err := f.reader.Write(at, b); err != nil {
		t.Fatal(err)
	}
	before := f.reader.Position()
	r, err := f.reader.Next()
	if err == nil {
		if err := f.take(r); err != nil {
			t.Fatal(err)
		}
		f.fed = 0
		return true
	}
	if got := wal.LSN(le.Uint64(b[8:])); got != at || f.reader.Position() != before {
		f.fed = 0
		return false
	}
	// The record goes on behind what was read, or the page is not full yet.
	last := b[len(b)-wal.PageSize:]
	if wal.LSN(le.Uint64(last[8:])) != at+wal.LSN(len(b)-wal.PageSize) {
		f.fed = 0
		return false
	}
	f.fed = at + wal.LSN(len(b))
	return true
}

func (f *follower) take(r *wal.Record) error {
	f.records++
	ops, err := f.catalogs.Redo(r)
	if err != nil {
		return err
	}
	for i := range ops {
		f.ops++
		f.pending[r.XID] = append(f.pending[r.XID], entry{at: r.LSN, op: ops[i].Append(nil)})
	}
	if f.row != nil {
		rows, err := heap.Rows(r, nil)
		if err != nil {
			return err
		}
		for i := range rows {
			rows[i].New.Body = slices.Clone(rows[i].New.Body)
			rows[i].Old.Body = slices.Clone(rows[i].Old.Body)
			f.pending[r.XID] = append(f.pending[r.XID], entry{at: r.LSN, row: &rows[i]})
		}
	}
	v, err := xact.Read(r)
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case *xact.Commit:
		return f.commit(&v.Ending)
	case *xact.Abort:
		for _, xid := range append(v.Subs, v.XID) {
			delete(f.pending, xid)
		}
	case *xact.Checkpoint:
		if v.Shutdown || v.EndOfRecovery {
			clear(f.pending) // the tests that prepare transactions do without
		}
	}
	return nil
}

func (f *follower) commit(e *xact.Ending) error {
	var all []entry
	for _, xid := range append(slices.Clone(e.Subs), e.XID) {
		all = append(all, f.pending[xid]...)
		delete(f.pending, xid)
	}
	slices.SortStableFunc(all, func(a, b entry) int { return cmp.Compare(a.at, b.at) })
	v := f.catalogs.Begin(e.Database)
	tell := func(list []change.Change) {
		for _, c := range list {
			if f.ddl != nil {
				f.ddl(c)
			}
		}
	}
	for _, x := range all {
		if x.op == nil {
			if r, ok := v.Relation(x.row.Relation); ok && !r.System() && r.Rewrite == 0 {
				tell(v.Changed())
			}
			f.row(v, x.row)
			continue
		}
		o, err := catalog.ParseOp(x.op)
		if err != nil {
			return err
		}
		if err := v.Apply(&o); err != nil {
			return err
		}
	}
	ddl, err := v.Commit()
	tell(ddl)
	return err
}

// restart does what a capture does that is started again.
func (f *follower) restart(t *testing.T) {
	t.Helper()
	saved := f.catalogs.Save([]byte("prefix"))
	c, err := catalog.Load(saved[len("prefix"):])
	if err != nil {
		t.Fatal(err)
	}
	if again := c.Save(nil); string(again) != string(saved[len("prefix"):]) {
		t.Error("what was loaded is saved as something else")
	}
	same(t, "after a restart", c.Dump(), f.catalogs.Dump(), "before it")
	f.catalogs = c
}

// same compares sorted lines.
func same(t *testing.T, what string, got, want []string, whose string) {
	t.Helper()
	g, w := maps.Collect(counted(got)), maps.Collect(counted(want))
	shown := 0
	for _, d := range []struct {
		a, b map[string]int
		who  string
	}{{g, w, "only here"}, {w, g, "only " + whose}} {
		for _, line := range slices.Sorted(maps.Keys(d.a)) {
			if d.a[line] != d.b[line] && shown < 20 {
				shown++
				t.Errorf("%s, %s: %s", what, d.who, line)
			}
		}
	}
}

func counted(lines []string) func(func(string, int) bool) {
	n := map[string]int{}
	for _, l := range lines {
		n[l]++
	}
	return maps.All(n)
}
