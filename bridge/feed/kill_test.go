package feed_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// appenderVar names the folder in which this test binary, started once more, appends
// until it is killed.
const appenderVar = "HOWDAH_FEED_APPENDER"

func killOptions(dir string) feed.Options {
	return feed.Options{Dir: dir, ID: feed.ID{System: 5}, SegmentBytes: 128 << 10, MaxBytes: 1 << 20}
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(appenderVar); dir != "" {
		if err := appendForever(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// appendForever says on standard output up to where it has synced.
func appendForever(dir string) error {
	l, err := feed.Open(killOptions(dir))
	if err != nil {
		return err
	}
	for lsn := l.Last()/8*8 + 8; ; lsn += 8 {
		parts := 1 + int(lsn/8)%3
		for k := range parts {
			s := noise(lsn, 3000)
			s.Part, s.More = k, k < parts-1
			if err := l.Append(s); err != nil {
				return err
			}
		}
		if lsn%40 == 0 {
			l.Advance(lsn + 4)
			if err := l.Sync(); err != nil {
				return err
			}
			fmt.Println(uint64(lsn) + 4)
		}
	}
}

// TestKill kills a process that appends, again and again, and looks at what is there.
func TestKill(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for round := range need.Choose(6, 200) {
		synced := killedAppender(t, self, dir, time.Duration(rng.IntN(100))*time.Millisecond)
		l := open(t, killOptions(dir))
		if l.Last() < synced {
			t.Fatalf("round %d: complete up to %v, synced up to %v", round, l.Last(), synced)
		}
		s := subscribe(t, l, feed.SubscribeOptions{From: feed.Start})
		for lsn := l.First()/8*8 + 8; lsn <= l.Last(); lsn += 8 {
			parts := 1 + int(lsn/8)%3
			for k := range parts {
				got := expect(t, s, lsn)[0]
				if got.Part != k || got.More != (k < parts-1) || string(got.Changes[0].Message.Content) != string(noise(lsn, 3000).Changes[0].Message.Content) {
					t.Fatalf("round %d: part %d of %v is %d of %d, or has another content", round, k, lsn, got.Part, parts)
				}
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killedAppender lets an appender run from its first sync on, kills it and gives the
// position up to which it had synced.
func killedAppender(t *testing.T, self, dir string, after time.Duration) wal.LSN {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), appenderVar+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var synced uint64
	lines := bufio.NewScanner(out)
	var kill *time.Timer
	for lines.Scan() {
		// A line that the kill cut short has no number to compare with.
		var n uint64
		if _, err := fmt.Sscan(lines.Text(), &n); err == nil && n > synced && n%8 == 4 {
			synced = n
		}
		if kill == nil {
			kill = time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
	}
	if kill == nil {
		t.Error("the appender has ended by itself")
	}
	_ = cmd.Wait()
	return wal.LSN(synced)
}
