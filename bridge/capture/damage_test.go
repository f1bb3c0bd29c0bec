package capture_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/bridge/capture"
	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// recorded is a data directory, and the log that was written after it.
type recorded struct {
	files vfs.FS
	dir   string
	start wal.LSN // of the page where the log goes on
	page  []byte  // as it was before
	log   []byte  // from start on, whole pages
	lines []string
}

// record makes one, of two segments.
func record(t *testing.T) *recorded {
	t.Helper()
	dir, before := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "before")
	session(t, dir, "create table kept (id int primary key, v text)", "insert into kept values (0, 'before')", nearlyFull)
	if err := os.CopyFS(before, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	w := newWriter(1, 0)
	statements := slices.Clone(prepare)
	for range 150 {
		statements = append(statements, w.next())
	}
	session(t, dir, append(statements, w.finish())...)

	files, err := vfs.OpenDir(filepath.Dir(before))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	r := &recorded{files: files, dir: "/" + filepath.Base(before)}
	first := r.capture(t)
	r.start = first.capture.Position() &^ (wal.PageSize - 1)
	b, err := os.ReadFile(filepath.Join(before, "pg_wal", segmentName(r.start)))
	if err != nil {
		t.Fatal(err)
	}
	r.page = b[r.start%nativeSegment:][:wal.PageSize]
	for at := r.start; ; at += wal.PageSize {
		b, err := os.ReadFile(filepath.Join(dir, "pg_wal", segmentName(at)))
		if err != nil || !wal.IsPage(b[at%nativeSegment:], at) {
			break
		}
		r.log = append(r.log, b[at%nativeSegment:at%nativeSegment+wal.PageSize]...)
	}
	r.tell(t, first, r.log)
	if err := first.capture.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.lines = decoding(first.sets("postgres", 0))
	if r.start/nativeSegment == (r.start+wal.LSN(len(r.log)))/nativeSegment || len(r.lines) < 100 {
		t.Fatalf("%d lines in the %d bytes from %v", len(r.lines), len(r.log), r.start)
	}
	if err := errors.Join(first.capture.Close(), first.capture.Feed().Close()); err != nil {
		t.Fatal(err)
	}
	return r
}

// nearlyFull leaves some pages of a segment.
const nearlyFull = `select pg_logical_emit_message(false, 'most', repeat('x', (16777216 - (pg_current_wal_insert_lsn() - '0/0')::bigint % 16777216 - 300000)::int), true)`

// session runs a cluster on dir for some statements.
func session(t *testing.T, dir string, statements ...string) {
	t.Helper()
	c, err := pglite.Open(t.Context(), pglite.Options{Dir: dir, MaxBackends: 1, NoHousekeeping: true, Settings: []pglite.Setting{{Name: "wal_keep_size", Value: "1GB"}}})
	if err != nil {
		t.Fatal(err)
	}
	config, err := driver.ConnConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range statements {
		if err := send(t.Context(), conn, sql); err != nil {
			_ = send(t.Context(), conn, "rollback")
		}
	}
	conn.Close(t.Context())
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func segmentName(l wal.LSN) string {
	number := uint64(l / nativeSegment)
	return fmt.Sprintf("%08X%08X%08X", 1, number>>8, number&0xff)
}

// capture begins one on the directory as it was before.
func (r *recorded) capture(t *testing.T) *captured {
	t.Helper()
	if r.log != nil { // what the one before was told
		r.write(t, append(slices.Clone(r.page), make([]byte, len(r.log))...))
	}
	c := &captured{t: t}
	c.capture = capture.New(capture.Options{Feed: func(id feed.ID, start wal.LSN) (*feed.Log, error) {
		return feed.Open(feed.Options{ID: id, Start: start})
	}})
	if err := c.capture.Files(r.files, r.dir, false); err != nil {
		t.Fatal(err)
	}
	return c
}

// write puts b where the log is.
func (r *recorded) write(t *testing.T, b []byte) {
	t.Helper()
	for at := r.start; len(b) > 0; {
		n := min(len(b), int(nativeSegment-at%nativeSegment))
		f, err := r.files.Open(r.dir+"/pg_wal/"+segmentName(at), vfs.ReadWrite|vfs.Create, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteAt(b[:n], int64(at%nativeSegment))
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		at, b = at+wal.LSN(n), b[n:]
	}
}

// tell writes b, and shows it to the capture.
func (r *recorded) tell(t *testing.T, c *captured, b []byte) {
	t.Helper()
	r.write(t, b)
	for at := r.start; len(b) > 0; {
		n := min(len(b), int(nativeSegment-at%nativeSegment))
		c.capture.After(&vfs.Change{
			Op: vfs.OpWrite, Path: r.dir + "/pg_wal/" + segmentName(at), Off: int64(at % nativeSegment), N: int64(n), Data: b[:n],
		}, nil)
		at, b = at+wal.LSN(n), b[n:]
	}
}

// harms are what is done to a log; each tells what it has done.
var harms = []struct {
	name string
	do   func(rng *rand.Rand, log []byte) (harmed []byte, at int)
}{
	{"a bit", func(rng *rand.Rand, log []byte) ([]byte, int) {
		at := rng.IntN(len(log) - wal.PageSize)
		log[at] ^= 1 << rng.IntN(8)
		return log, at
	}},
	{"some bytes", func(rng *rand.Rand, log []byte) ([]byte, int) {
		at := rng.IntN(len(log) - wal.PageSize - 64)
		for i := range 1 + rng.IntN(64) {
			log[at+i] = byte(rng.Uint32())
		}
		return log, at
	}},
	{"a page that is lost", func(rng *rand.Rand, log []byte) ([]byte, int) {
		at := pageIn(rng, log)
		clear(log[at : at+wal.PageSize])
		return log, at
	}},
	{"a page of elsewhere", func(rng *rand.Rand, log []byte) ([]byte, int) {
		at := pageIn(rng, log)
		copy(log[at:at+wal.PageSize], log[pageIn(rng, log):])
		return log, at
	}},
	{"a magic", func(rng *rand.Rand, log []byte) ([]byte, int) {
		at := pageIn(rng, log)
		binary.LittleEndian.PutUint16(log[at:], 0xd116) // PostgreSQL 17's
		return log, at
	}},
	{"torn off", func(rng *rand.Rand, log []byte) ([]byte, int) {
		at := rng.IntN(len(log) - 2*wal.PageSize)
		clear(log[at:])
		return log, at
	}},
	{"cut off", func(rng *rand.Rand, log []byte) ([]byte, int) {
		at := pageIn(rng, log)
		return log[:at+wal.PageSize], at + wal.PageSize
	}},
}

// pageIn is where a page begins that is not the last one.
func pageIn(rng *rand.Rand, log []byte) int {
	return rng.IntN(len(log)/wal.PageSize-1) * wal.PageSize
}

// TestDamage gives a capture a log that is damaged somewhere: what it makes of it is
// the beginning of what it makes of the whole one, and it says where it ends.
func TestDamage(t *testing.T) {
	r := record(t)
	rng := rand.New(rand.NewPCG(seed(t), 0))
	count := map[string]int{}
	for range need.Choose(60, 1000) {
		h := harms[rng.IntN(len(harms))]
		log, at := h.do(rng, slices.Clone(r.log))
		lines, err := r.harmed(t, log)
		switch where := fmt.Sprintf("%s at byte %d of %d", h.name, at, len(r.log)); {
		case len(lines) > len(r.lines) || !slices.Equal(lines, r.lines[:len(lines)]):
			t.Fatalf("%s: wrong lines:\n%s\nexpected\n%s", where, around(lines, len(lines)), around(r.lines, len(lines)))
		case err != nil:
			if !strings.Contains(err.Error(), "0/") {
				t.Errorf("%s: %v does not say where", where, err)
			}
			count["named"]++
		case h.name == "cut off" || len(lines) == len(r.lines):
			count["waits for more, or harms nothing"]++
		default:
			t.Errorf("%s: nothing is said of it, and %d lines of %d are there", where, len(lines), len(r.lines))
		}
	}
	t.Log(count)
	if count["named"] == 0 {
		t.Error("nothing was named")
	}
	r.foreign(t)
}

// foreign goes on with the log of another system, from the second segment on.
func (r *recorded) foreign(t *testing.T) {
	log := slices.Clone(r.log)
	long := int(nativeSegment - r.start%nativeSegment) // the long page header
	log[long+24] ^= 1
	lines, err := r.harmed(t, log)
	if err == nil || !strings.Contains(err.Error(), "system identifier") || !slices.Equal(lines, r.lines[:len(lines)]) {
		t.Errorf("%d lines, and %v", len(lines), err)
	}
}

// harmed gives what a capture makes of a log.
func (r *recorded) harmed(t *testing.T, log []byte) ([]string, error) {
	t.Helper()
	c := r.capture(t)
	ended, seen := make(chan struct{}), []*change.Set(nil)
	sub, err := c.capture.Feed().Subscribe(t.Context(), feed.SubscribeOptions{Database: "postgres", From: feed.Start})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(ended)
		for {
			set, err := sub.Next(t.Context())
			if err != nil { // when the capture gives up, or below
				return
			}
			seen = append(seen, set)
		}
	}()
	r.tell(t, c, log)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err = c.capture.Drain(ctx); ctx.Err() != nil {
		t.Fatal(err)
	}
	if err == nil {
		lines := decoding(c.sets("postgres", 0))
		sub.Close()
		<-ended
		if err := errors.Join(c.capture.Close(), c.capture.Feed().Close()); err != nil {
			t.Fatal(err)
		}
		return lines, nil
	}
	<-ended
	sub.Close()
	if c.capture.Close() == nil {
		t.Error("closing forgets the error")
	}
	return decoding(seen), err
}
