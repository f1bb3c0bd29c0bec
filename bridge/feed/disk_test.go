package feed_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"syscall"
	"testing"
	"time"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// noise is a set with a message of n bytes that do not compress.
func noise(lsn wal.LSN, n int) *change.Set {
	content := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(lsn), byte(lsn >> 8), byte(lsn >> 16)}).Read(content)
	return set(lsn, change.Change{Kind: change.Message, Message: &change.EmittedMessage{Prefix: "noise", Content: content}})
}

func memory(t *testing.T) *vfs.Memory {
	m := vfs.NewMemory(vfs.MemoryOptions{})
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// filled is a log of some segments, closed in order.
func filled(t *testing.T, fs vfs.FS, sets int) feed.Options {
	t.Helper()
	o := feed.Options{FS: fs, ID: feed.ID{System: 1}, SegmentBytes: 64 << 10}
	l := open(t, o)
	for k := range sets {
		appended(t, l, noise(wal.LSN(8*k+8), 8000))
	}
	if err := errors.Join(l.Sync(), l.Close()); err != nil {
		t.Fatal(err)
	}
	return o
}

// TestFiles keeps a log in a folder of the host.
func TestFiles(t *testing.T) {
	o := feed.Options{Dir: t.TempDir() + "/feed", ID: feed.ID{System: 1, Incarnation: 2}, Start: 4}
	l := open(t, o)
	appended(t, l, set(8, insert(people, 1, "one")), set(16, insert(people, 2, "two")))
	l.Advance(20)
	if err := errors.Join(l.Sync(), l.Close()); err != nil {
		t.Fatal(err)
	}
	l = open(t, o)
	if l.First() != 4 || l.Last() != 20 {
		t.Errorf("from %v to %v", l.First(), l.Last())
	}
	s := subscribe(t, l, feed.SubscribeOptions{From: feed.Start})
	got := expect(t, s, 8, 16)
	if c := got[1].Changes[0]; c.New[1] != "two" || c.Table.Name != "people" || c.Table == people {
		t.Errorf("read %+v", c)
	}
	appended(t, l, set(24, insert(people, 3, "three")))
	expect(t, s, 24)
	l.Close()

	o.ID.Incarnation = 3
	if _, err := feed.Open(o); !errors.Is(err, feed.ErrForeign) {
		t.Errorf("another incarnation: %v", err)
	}
	if err := feed.Remove(o); err != nil {
		t.Fatal(err)
	}
	if l := open(t, o); l.Last() != 4 {
		t.Errorf("a new log is complete up to %v", l.Last())
	}
}

// TestAge lets segments go whose commits are old, and keeps what came later.
func TestAge(t *testing.T) {
	l := open(t, feed.Options{FS: memory(t), SegmentBytes: 64 << 10, MaxAge: time.Hour})
	for lsn := wal.LSN(1); lsn <= 60; lsn++ {
		s := noise(lsn, 8000)
		if s.Time = time.Now(); lsn <= 30 {
			s.Time = s.Time.Add(-2 * time.Hour)
		}
		appended(t, l, s)
	}
	if err := l.Sync(); err != nil {
		t.Fatal(err)
	}
	first := l.First()
	if first < 15 || first > 30 {
		t.Fatalf("the log begins at %v", first)
	}
	var refetch *feed.RefetchError
	_, err := l.Subscribe(t.Context(), feed.SubscribeOptions{Database: "app", From: feed.After(first - 1)})
	if !errors.As(err, &refetch) || refetch.First != first {
		t.Errorf("before that: %v", err)
	}
	s := subscribe(t, l, feed.SubscribeOptions{From: feed.Start})
	for lsn := first + 1; lsn <= 60; lsn++ {
		expect(t, s, lsn)
	}
}

// second stands for the position of the log's second segment.
const second = wal.LSN(1)

// TestHistory begins another history, whose positions have been before.
func TestHistory(t *testing.T) {
	for _, at := range []wal.LSN{0, second, 100, 160, 400} {
		fs := memory(t)
		o := filled(t, fs, 20)
		if at == second {
			name := path.Base(files(t, fs)[1]) // its file's name comes again, too
			if _, err := fmt.Sscanf(name, "%X.feed", &at); err != nil {
				t.Fatal(err)
			}
		}
		l := open(t, o)
		old := subscribe(t, l, feed.SubscribeOptions{From: feed.After(160)})
		next := o
		next.ID.Incarnation = 1
		if err := l.Reset(next.ID, at, "rewound"); err != nil {
			t.Fatal(err)
		}
		if _, err := old.Next(t.Context()); !errors.Is(err, feed.ErrRefetch) {
			t.Errorf("in another history: %v", err)
		}
		appended(t, l, noise(at+8, 100))
		if err := errors.Join(l.Sync(), l.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := feed.Open(o); !errors.Is(err, feed.ErrForeign) {
			t.Errorf("as the old history: %v", err)
		}
		l = open(t, next)
		if l.First() != at || l.Last() != at+8 {
			t.Errorf("from %v to %v, not from %v", l.First(), l.Last(), at)
		}
		expect(t, subscribe(t, l, feed.SubscribeOptions{From: feed.Start}), at+8)
		if names := files(t, fs); len(names) != 1 {
			t.Errorf("left %v", names)
		}
	}
}

// TestUnfit appends what has no form.
func TestUnfit(t *testing.T) {
	l := open(t, feed.Options{})
	bad := insert(people, 1, "x")
	bad.New = []any{struct{}{}, nil}
	if err := l.Append(set(8, bad)); !errors.Is(err, feed.ErrUnfit) {
		t.Error(err)
	}
	s := subscribe(t, l, feed.SubscribeOptions{From: feed.Start})
	appended(t, l, set(8, insert(people, 1, "x")))
	expect(t, s, 8)
}

// TestStart opens a log that ends before its caller goes on.
func TestStart(t *testing.T) {
	fs := memory(t)
	o := filled(t, fs, 20)
	o.Start = 170
	l := open(t, o)
	if l.First() != 170 || l.Last() != 170 {
		t.Errorf("from %v to %v", l.First(), l.Last())
	}
	_, err := l.Subscribe(t.Context(), feed.SubscribeOptions{Database: "app", From: feed.After(160)})
	if !errors.Is(err, feed.ErrRefetch) {
		t.Errorf("behind the gap: %v", err)
	}
	l.Close()
	o.Start = 0
	if l := open(t, o); l.First() != 170 {
		t.Errorf("the gap is gone: %v", l.First())
	}
}

// TestSlow has a subscriber stay behind until retention has taken its place away,
// and one that reads from the files all the time. Nobody waits for them.
func TestSlow(t *testing.T) {
	l := open(t, feed.Options{FS: memory(t), SegmentBytes: 64 << 10, MaxBytes: 256 << 10, RingSets: 2})
	slow := subscribe(t, l, feed.SubscribeOptions{})
	behind := subscribe(t, l, feed.SubscribeOptions{})
	for k := wal.LSN(1); k <= 200; k++ {
		appended(t, l, noise(k, 8000))
		if k > 10 {
			expect(t, behind, k-10)
		}
	}
	var refetch *feed.RefetchError
	if _, err := slow.Next(t.Context()); !errors.As(err, &refetch) || refetch.Position != 0 || refetch.First != l.First() {
		t.Errorf("behind retention: %v", err)
	}
	if l.First() == 0 || l.First() >= 200 {
		t.Errorf("the log begins at %v", l.First())
	}
	expect(t, behind, 191, 192, 193, 194, 195, 196, 197, 198, 199, 200)
}

// TestFull has no room in the middle of everything that writes.
func TestFull(t *testing.T) {
	for k := range int64(12) {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			faulty := vfs.NewFault(memory(t))
			o := feed.Options{FS: faulty, ID: feed.ID{System: 1}, SegmentBytes: 64 << 10}
			l := open(t, o)
			s := subscribe(t, l, feed.SubscribeOptions{})
			changes := int64(0)
			faulty.SetRule(func(c vfs.Call) vfs.Break {
				switch c.Op {
				case vfs.OpWrite, vfs.OpCreate:
					if changes++; changes > k && changes <= k+2 {
						return vfs.Break{Err: syscall.ENOSPC, Short: c.Len / 2}
					}
				}
				return vfs.Break{}
			})
			failed := 0
			for lsn := wal.LSN(2); lsn <= 120; {
				err := l.Append(noise(lsn, 8000))
				if err == nil {
					lsn += 2
					continue
				}
				if failed++; !errors.Is(err, syscall.ENOSPC) || failed > 2 {
					t.Fatalf("append: %v", err)
				}
				if last := l.Last(); last >= lsn {
					t.Fatalf("complete up to %v after %v has failed", last, lsn)
				}
				l.Advance(lsn - 1)
			}
			l.Advance(121)
			for l.Sync() != nil {
				failed++
			}
			if failed == 0 {
				t.Error("nothing has failed")
			}
			for lsn := wal.LSN(2); lsn <= 120; lsn += 2 {
				expect(t, s, lsn)
			}
			l.Abort()
			l = open(t, o)
			if l.Last() != 121 {
				t.Errorf("complete up to %v", l.Last())
			}
			s = subscribe(t, l, feed.SubscribeOptions{From: feed.Start})
			for lsn := wal.LSN(2); lsn <= 120; lsn += 2 {
				expect(t, s, lsn)
			}
		})
	}
}

// TestSyncFails: what is on the disk is not known any more.
func TestSyncFails(t *testing.T) {
	faulty := vfs.NewFault(memory(t))
	l := open(t, feed.Options{FS: faulty})
	appended(t, l, noise(8, 100))
	failed := false
	faulty.SetRule(func(c vfs.Call) vfs.Break {
		if c.Op == vfs.OpSync && !failed {
			failed = true
			return vfs.Break{Err: syscall.EIO}
		}
		return vfs.Break{}
	})
	for range 2 {
		if err := l.Sync(); !errors.Is(err, syscall.EIO) {
			t.Errorf("sync: %v", err)
		}
	}
	if err := l.Append(noise(16, 100)); !errors.Is(err, syscall.EIO) {
		t.Errorf("append: %v", err)
	}
}

// TestDamage flips, cuts off and removes. Whatever it is, what is read is a run of
// the sets without a hole, and where it ends early somebody is told.
func TestDamage(t *testing.T) {
	whole := memory(t)
	o := filled(t, whole, 40)
	const sets = 40
	names := files(t, whole)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range need.Choose(60, 3000) {
		name := names[rng.IntN(len(names))]
		damaged := whole.Clone()
		o.FS = damaged
		f, err := damaged.Open(name, vfs.ReadWrite, 0)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		what := fmt.Sprintf("%s of %d bytes", name, info.Size)
		switch at := rng.Int64N(info.Size); rng.IntN(4) {
		case 0:
			err = f.Truncate(at)
			what += fmt.Sprintf(" cut at %d", at)
		case 1:
			err = damaged.Unlink(name)
			what += " removed"
		case 2:
			at = rng.Int64N(128)
			fallthrough
		default:
			var b [1]byte
			if _, err = f.ReadAt(b[:], at); err == nil {
				b[0] ^= 1 << rng.IntN(8)
				_, err = f.WriteAt(b[:], at)
			}
			what += fmt.Sprintf(" flipped at %d", at)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		if err := readDamaged(t, o, 8*sets); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		damaged.Close()
	}
}

// readDamaged opens a log that has been complete up to a position.
func readDamaged(t *testing.T, o feed.Options, last wal.LSN) error {
	l, err := feed.Open(o)
	if err != nil {
		if errors.Is(err, feed.ErrForeign) || bytes.Contains([]byte(err.Error()), []byte("version")) {
			return nil // in a header, and told
		}
		return err
	}
	defer l.Close()
	end := l.Last()
	if end > last {
		return fmt.Errorf("complete up to %v", end)
	}
	s, err := l.Subscribe(t.Context(), feed.SubscribeOptions{Database: "app", From: feed.Start})
	if err != nil {
		return err
	}
	for lsn := l.First() + 8; lsn <= end; lsn += 8 {
		got, err := s.Next(t.Context())
		if errors.Is(err, feed.ErrRefetch) {
			return nil
		}
		if err != nil {
			return err
		}
		if got.LSN != lsn || !bytes.Equal(got.Changes[0].Message.Content, noise(lsn, 8000).Changes[0].Message.Content) {
			return fmt.Errorf("got the set at %v and not at %v", got.LSN, lsn)
		}
	}
	return nil
}

func files(t *testing.T, m vfs.FS) []string {
	t.Helper()
	d, err := m.Open("/", vfs.ReadOnly, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	entries, err := d.ReadDir()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Type&fs.ModeDir == 0 {
			names = append(names, path.Join("/", e.Name))
		}
	}
	return names
}
