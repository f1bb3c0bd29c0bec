package wal_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/pglite"
)

// TestFollow reads the log while it is written: after each statement there is what
// has been flushed, and nothing beyond it, though the pages behind the last record
// are those of older segments.
func TestFollow(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	conn := open(t, start(t, dir, []pglite.Setting{{Name: "min_wal_size", Value: "64MB"}, {Name: "max_wal_size", Value: "64MB"}}))
	exec(t, conn, "create table t (id serial primary key, v text); alter table t alter v set storage external")
	at := position(t, conn)
	r := wal.NewReader(at, wal.Options{})
	statements, switches := 300, 8
	if testing.Short() {
		statements, switches = 60, 6
	}
	commits, recycled := 0, 0
	for i := range statements {
		sql, want := "insert into t (v) values ('small')", 1
		switch i % 10 {
		case 3:
			sql = fmt.Sprintf("insert into t (v) values (repeat('large', %d))", 1+i*50)
		case 5:
			sql = "begin; insert into t (v) values ('rolled back'); rollback; insert into t (v) values ('then')"
		case 7:
			sql, want = "checkpoint", 0
		case 9:
			if i/10 < switches {
				sql, want = "select pg_switch_wal()", 0
			}
		}
		exec(t, conn, sql)
		flushed := position(t, conn)
		n, old := follow(t, dir, r, flushed)
		recycled += old
		if n != want {
			t.Fatalf("%s: %d commits", sql, n)
		}
		commits += n
		if p := r.Position(); p != flushed {
			t.Fatalf("%s: read to %v, flushed to %v", sql, p, flushed)
		}
	}
	t.Logf("%d commits from %v to %v; %d times there were old pages behind", commits, at, r.Position(), recycled)
	if recycled == 0 {
		t.Error("no segment was recycled")
	}
}

// follow writes to r the pages from its position on, to some behind flushed, and
// counts the commits that it reads, and whether there were pages of another segment.
func follow(t *testing.T, dir string, r *wal.Reader, flushed wal.LSN) (commits, recycled int) {
	t.Helper()
	const segment, ahead = 16 << 20, 4 * wal.PageSize
	for from := r.Position() &^ (wal.PageSize - 1); from <= flushed; {
		end := min(from&^(segment-1)+segment, (flushed+ahead)&^(wal.PageSize-1))
		name := fmt.Sprintf("%08X%08X%08X", 1, uint32(from>>32), uint32(from)/segment)
		f, err := os.Open(filepath.Join(dir, "pg_wal", name))
		if errors.Is(err, os.ErrNotExist) && from == flushed {
			break // the segment that a switch goes to is not made yet
		}
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, end-from)
		_, err = io.ReadFull(io.NewSectionReader(f, int64(from%segment), int64(len(b))), b)
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		if err := r.Write(from, b); err != nil {
			t.Fatal(err)
		}
		if last := binary.LittleEndian.Uint64(b[len(b)-wal.PageSize+8:]); last != 0 && wal.LSN(last) < from {
			recycled = 1
		}
		from = end
	}
	for {
		rec, err := r.Next()
		if errors.Is(err, wal.ErrMore) {
			return commits, recycled
		}
		if err != nil {
			t.Fatal(err)
		}
		if rec.RM == wal.Transaction && rec.Op()&0x70 == 0 { // XLOG_XACT_COMMIT
			commits++
		}
	}
}
